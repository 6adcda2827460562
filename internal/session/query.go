// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// Query runs SQL of weir's own on one of the pool's upstreams, for which it waits
// in the queue. It returns the rows, of two columns: the second by the first, in
// lower case. The SQL must not depend on settings: they are whatever the last
// client had.
func (p *Pool) Query(ctx context.Context, sql string) (map[string]string, error) {
	up, err := p.acquire(ctx)
	if err != nil {
		return nil, err
	}
	q := &query{pool: p, up: up, sql: sql, done: make(chan struct{})}
	up.Stream.Loop().Post(loop.Func(func() { up.Stream.Loop().Go(q) }))
	<-q.done // in connect_timeout
	return q.rows, q.err
}

// query is a visit to an upstream to ask it something.
type query struct {
	pool *Pool
	up   *Upstream
	sql  string

	// Set before done is closed.
	rows map[string]string
	err  error
	done chan struct{}
}

// Serve is the query's task.
func (q *query) Serve(t *loop.Task) {
	defer close(q.done)
	s := &Session{env: q.pool.env, pool: q.pool, settings: q.up.settings}
	x := s.env.borrow(t.Loop())
	defer s.env.giveBack(x)
	x.start(s, t)
	if !x.attach(q.up) {
		q.err = &sqlstate.Error{Code: sqlstate.ConnectionFailure, Message: "connection to PostgreSQL at " + q.pool.target().Address() + " was lost"}
		return
	}
	x.rowsOf = make(map[string]string)
	q.err = x.command(q.sql)
	q.rows, x.rowsOf = x.rowsOf, nil
	if q.err != nil {
		x.discardUpstream("it did not answer a question of weir's own: " + q.err.Error())
		return
	}
	x.letGo()
}
