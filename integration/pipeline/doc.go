// SPDX-License-Identifier: Apache-2.0

// Package pipeline tests that a client which sends ahead is answered as by
// PostgreSQL alone. Scripts are made up at random: groups of messages whose
// answers are not waited for, with errors at every place, names and the unnamed
// statement, portals with limits, COPY, blocks and messages around the sizes of
// weir's buffers. The same bytes go to PostgreSQL directly and through weir,
// where the client's upstream changes between two writes, and every message that
// comes back has to be the same.
package pipeline
