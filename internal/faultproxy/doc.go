// SPDX-License-Identifier: Apache-2.0

// Package faultproxy is a bad network between weir and PostgreSQL, for tests.
// A proxy passes connections on to one server, and misbehaves when told to: it
// delays what passes, has the kernel lose packets, resets or half-closes
// connections, stops in the middle of a message, or changes what was said. The
// server behind it is a real one. Only plain text can be read: sslmode=disable.
package faultproxy
