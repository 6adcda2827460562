// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// everyone is above all clients' process ids.
const everyone = firstPID << 1

// Drain sends every client away as soon as it is between transactions. Over
// spread their turns come one after the other; until its turn a client is
// served as ever. Those that replicate know no such moment, and stay until Abort.
// The channel is closed once none is left. ctx ends the spreading, not the wait. New clients are the caller's to keep out.
func (e *Env) Drain(ctx context.Context, spread time.Duration) <-chan struct{} {
	gone := e.whenEmpty()
	if spread > 0 {
		go e.spread(ctx, spread, gone)
		return gone
	}
	e.dismissBelow(everyone)
	return gone
}

// whenEmpty returns a channel that is closed once no client is left.
func (e *Env) whenEmpty() chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.empty != nil {
		return e.empty
	}
	gone := make(chan struct{})
	if len(e.sessions)+len(e.relays) == 0 {
		close(gone)
	} else {
		e.empty = gone
	}
	return gone
}

// turns is how many steps a spread farewell takes, and turnsLeast the least time
// between two.
const (
	turns      = 200
	turnsLeast = 10 * time.Millisecond
)

// spread moves the line between those whose turn has come and the others from
// the lowest process id to the highest. They are random, so that clients
// which connected together do not leave together.
func (e *Env) spread(ctx context.Context, d time.Duration, gone <-chan struct{}) {
	tick := time.NewTicker(max(d/turns, turnsLeast))
	defer tick.Stop()
	for began := time.Now(); ; {
		select {
		case <-tick.C:
		case <-gone:
			return
		case <-ctx.Done():
			return
		}
		part := min(float64(time.Since(began))/float64(d), 1)
		e.dismissBelow(firstPID + int64(part*firstPID))
		if part == 1 {
			return
		}
	}
}

// dismissBelow says that the turn has come of all clients with a process id below
// the given one.
func (e *Env) dismissBelow(pid int64) {
	before := e.farewell.Swap(pid)
	for _, s := range e.all() {
		if own := int64(s.key.pid); before <= own && own < pid {
			s.post(s.look)
		}
	}
}

// unwelcome says why a client without an upstream has to go; nil where it may
// stay. One whose BEGIN is held back is in a transaction.
func (s *Session) unwelcome() *sqlstate.Error {
	switch {
	case len(s.opening) > 0:
		return nil
	case int64(s.key.pid) < s.env.farewell.Load():
		return shutdown
	}
	return s.pool.gone.Load()
}

// look has a client that asks nothing find out whether it may stay, and whether
// it keeps its upstream.
func (s *Session) look() {
	switch s.State() {
	case Idle:
		if why := s.unwelcome(); why != nil && !s.client.Readable() {
			s.dismiss(why)
		}
	case Active:
		s.client.Wake() // it may be idle, and keep its upstream
	case Waiting, Closing, Closed:
	}
}
