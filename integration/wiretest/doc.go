// SPDX-License-Identifier: Apache-2.0

// Package wiretest is what tests share that say the same, message by message, to
// PostgreSQL and to weir: a connection, the answers written so that they can be
// compared, and the log in which weir tells of its own defects.
package wiretest
