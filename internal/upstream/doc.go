// SPDX-License-Identifier: Apache-2.0

// Package upstream is one connection to PostgreSQL: where it goes, how it logs
// in, what the server allows, how its query is cancelled and what a failure
// means.
//
// Logging in, cancelling and reading the limits block, so they run beside the
// loops. pgx's pgconn speaks the login; the finished connection is then taken
// from it and adopted by a loop.
package upstream
