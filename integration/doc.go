// SPDX-License-Identifier: Apache-2.0

// Package integration tests weir with the clients that people use: psql,
// pgbench, pgx, lib/pq, node-postgres, Prisma and Python's drivers, and with the
// protocol's messages themselves. Each test does the same directly and through
// weir's binary, on a PostgreSQL of its own, and compares. It is a module of its
// own so that other drivers stay out of weir's.
package integration
