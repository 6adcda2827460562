// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// Three time-outs end a client: idle in a transaction, a transaction that takes
// too long, and idle altogether. Transactions start no timer: from time to time
// a sweep looks at all clients, and what it sees unchanged since the last time
// has stood still for that long. So a time-out comes up to two sweeps late, and
// costs nothing where none is set.

// A sweep comes sixteen times in the shortest time-out, within these bounds.
const (
	sweepsPerTimeout = 16
	sweepLeast       = 10 * time.Millisecond
	sweepMost        = time.Second
)

// SetShortestTimeout tells how often to look for clients whose time is up; 0
// stands for never. It may be called at any time, from one goroutine at once.
func (e *Env) SetShortestTimeout(d time.Duration) {
	if d > 0 {
		d = min(max(d/sweepsPerTimeout, sweepLeast), sweepMost)
	}
	select {
	case <-e.sweepEvery: // nobody has heard of the former one yet
	default:
	}
	e.sweepEvery <- d
}

// KeepTime ends clients whose time is up, until ctx ends.
func (e *Env) KeepTime(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	tick.Stop()
	var every time.Duration
	for {
		select {
		case every = <-e.sweepEvery:
			tick.Stop()
			if every > 0 {
				tick.Reset(every)
			}
		case now := <-tick.C:
			e.sweep(now, every)
		case <-ctx.Done():
			return
		}
	}
}

// sweep looks at every client. Those that hold an upstream since before the last
// sweep, and those that seem idle for too long, are looked at again on their
// loops, where nothing changes meanwhile.
func (e *Env) sweep(now time.Time, every time.Duration) {
	for _, s := range e.all() {
		switch turn := s.turn(); State(turn & stateMask) {
		case Active:
			if up, since := s.held(); up != nil && now.Sub(since) >= every {
				s.post(s.checkTime)
			}
		case Idle:
			if limit := s.pool.config().ClientIdleTimeout; limit > 0 && now.Sub(s.seen.since(turn, now)) >= limit {
				s.post(func() { s.expire(turn, limit) })
			}
		case Waiting, Closing, Closed:
		}
	}
}

// glimpse is what was seen of an idle client, and when first.
type glimpse struct {
	turn uint32
	at   time.Time
}

// since returns when a client was first seen in this turn.
func (g *glimpse) since(turn uint32, now time.Time) time.Time {
	if g.turn != turn || g.at.IsZero() {
		*g = glimpse{turn, now}
	}
	return g.at
}

// expire sends an idle client away if it still is in this turn.
func (s *Session) expire(turn uint32, limit time.Duration) {
	if s.turn() == turn && !s.client.Readable() && !s.maySayNothing() {
		err := idleTooLong(limit)
		s.logExpired(err)
		s.dismiss(err)
	}
}

// checkTime ends a client that holds an upstream if its time is up.
func (s *Session) checkTime() {
	x := s.x
	if x == nil || x.up == nil || x.leaving {
		return
	}
	if err := x.overdue(time.Now()); err != nil {
		s.logExpired(err)
		x.expire(err)
	}
}

// overdue returns the error of the time-out that is over, nil where none is.
func (x *exchange) overdue(now time.Time) *sqlstate.Error {
	c := x.pool().config()
	over := func(limit time.Duration, since time.Time) bool { return limit > 0 && now.Sub(since) >= limit }
	switch {
	case x.between():
		if !x.s.maySayNothing() && over(c.ClientIdleTimeout, x.stillSince(now)) {
			return idleTooLong(c.ClientIdleTimeout)
		}
	case over(c.TransactionTimeout, x.meter.began):
		return transactionTooLong(c.TransactionTimeout)
	case x.owes() && over(c.IdleTransactionTimeout, x.stillSince(now)):
		return idleInTransaction(c.IdleTransactionTimeout)
	}
	return nil
}

// maySayNothing reports whether a client has a reason to be silent: it waits for
// notifications, or leads by holding a lock. Other reasons to keep its upstream
// count against that.
func (s *Session) maySayNothing() bool {
	r := s.pinned()
	return (r != 0 || s.ears != nil) && r&^(listens|locks) == 0
}

// owes reports whether nothing goes on in a transaction until the client sends
// its next message. A group of messages without Sync or Flush may be running,
// or wait for its end: PostgreSQL does not say, so that is the transaction
// time-out's.
func (x *exchange) owes() bool {
	return (x.due.empty() || x.copying || x.toUp.pass > 0) && !x.toUp.pending() && !x.toClient.pending()
}

// stillness is how many bytes an upstream had moved when that was first seen.
type stillness struct {
	moved uint64
	at    time.Time
}

// stillSince returns since when nothing has moved between client and upstream.
// After ReadyForQuery that is known, else it is since a sweep has seen it.
func (x *exchange) stillSince(now time.Time) time.Time {
	if x.synced {
		return x.meter.answered
	}
	if moved := x.meter.bytesIn + x.meter.bytesOut; x.meter.quiet.moved != moved || x.meter.quiet.at.Before(x.meter.began) {
		x.meter.quiet = stillness{moved, now}
	}
	return x.meter.quiet.at
}

// expire has the task let go of the upstream as if the client had gone, and then
// tell it why. One that does not take what it was sent cannot be told.
func (x *exchange) expire(err *sqlstate.Error) {
	x.refused = !x.toClient.pending() && x.toClient.pass == 0
	x.late, x.leaving, x.hungUp = err, true, true
	x.task.Wake()
}

func (s *Session) logExpired(err *sqlstate.Error) {
	s.env.log.Warn("a client's time is up", "because", err.Message, "sqlstate", string(err.Code), "client", s.describe())
}

// The errors are PostgreSQL's own for the like (postgres.c: ProcessInterrupts),
// with the setting.
func idleInTransaction(limit time.Duration) *sqlstate.Error {
	return timedOut(sqlstate.IdleInTransaction, "idle-in-transaction timeout", "pool.idle_transaction_timeout", limit,
		"The client held a connection to PostgreSQL and left it waiting; the transaction was rolled back.",
		"Do what takes time before the transaction or after it, or raise the setting.")
}

func transactionTooLong(limit time.Duration) *sqlstate.Error {
	return timedOut(sqlstate.TransactionTimeout, "transaction timeout", "pool.transaction_timeout", limit,
		"The transaction was rolled back.",
		"Make several transactions of it, or raise the setting for this user or database.")
}

func idleTooLong(limit time.Duration) *sqlstate.Error {
	return timedOut(sqlstate.IdleSessionTimeout, "idle-session timeout", "pool.client_idle_timeout", limit,
		"The client asked nothing for that long.",
		"Connect again, or have the application's own pool close idle connections sooner than that.")
}

func timedOut(code sqlstate.Code, what, setting string, limit time.Duration, detail, hint string) *sqlstate.Error {
	return &sqlstate.Error{
		Severity: sqlstate.SeverityFatal,
		Code:     code,
		Message:  fmt.Sprintf("terminating connection due to %s: %s is %v", what, setting, limit),
		Detail:   detail,
		Hint:     hint,
	}
}
