// SPDX-License-Identifier: Apache-2.0

// Package pool decides who gets which upstream connection, and when one is
// opened or closed. It knows no protocol, no sockets and no poller: a connection
// is anything with the methods of Conn.
//
// A Pool holds the connections of one (database, user). A connection is idle,
// in use, or being opened, and holds one place in each of the pool's budgets from
// before it is opened until after it is closed. A client that finds no idle
// connection joins a queue, one for each event loop; the queue's end is a
// connection or an error, never both and never neither.
//
// A Budget is shared by pools: the role's CONNECTION LIMIT, the database's, the
// server's. A pool that has waiters and finds a budget full is hungry: other
// pools give up idle connections for it, and released ones too once its oldest
// waiter has waited longer than theirs. A connection that belongs to no pool takes
// its place with Take or Reserve, and gives it back with Give.
//
// A Server is shared by the pools that connect to it: it bounds their connects
// together, and knows when PostgreSQL is down. Then one connect at a time is tried
// over all pools, until one succeeds, and everybody waits.
//
// # Locks
//
// Pool.mu comes before Server.mu, that before Budget.mu, and several budgets are
// locked in the order of their numbers. Nobody holds the locks of two pools: what
// one pool or a server wants of another pool (peer, member) is asked with no lock
// held. A seeker's own lock (Reserve) comes before Budget.mu too. Conn.Close,
// Owner.Granted, Owner.Refused, Config.Connect, Config.Classify and
// Config.Oldest are called with no lock held either.
package pool
