// SPDX-License-Identifier: Apache-2.0

// Package state tests that a session through weir is a session: whatever a
// client sets, prepares, locks or opens is there for it afterwards, and for
// nobody else. Each client has a twin that is connected to PostgreSQL itself.
// Both say the same, one statement at a time over all clients, and have to hear
// the same, message by message. What they say is in the folder scripts, or made
// up at random.
package state
