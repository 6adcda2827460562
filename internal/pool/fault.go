// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// Kind is what a failed connect means for those who wait.
type Kind uint8

const (
	// Down: PostgreSQL cannot be reached, or does not accept connections now.
	// Waiters wait on; at the end of the wait they get the failure.
	Down Kind = iota
	// Full: PostgreSQL has no place left (53300). weir's problem, not the client's:
	// the budget shrinks and waiters wait for a connection that is open.
	Full
	// Rejected: PostgreSQL does not want this role or database, and trying again
	// changes nothing. Waiters get the failure at once if no connection is open.
	Rejected
	// Local: this machine has no room for the connection, a file descriptor for
	// one. That says nothing of PostgreSQL. Waiters wait on, and get the failure at
	// the end of the wait.
	Local
)

// Failure is a failed connect, classified.
type Failure struct {
	Kind   Kind
	Client *sqlstate.Error // what clients are told; nil makes an 08006 of the error's text
	Budget *Budget         // Full: the budget that PostgreSQL says is full; nil if unknown: all of the pool's
}

// Back-off after failed connects. Each failure doubles it, each wait is shortened
// by up to a quarter at random, a success resets it.
const (
	downFirst     = 100 * time.Millisecond
	downMost      = 5 * time.Second
	downWaiting   = 500 * time.Millisecond // bound while someone waits
	rejectFirst   = time.Second
	rejectMost    = 15 * time.Second
	backoffJitter = 0.25
)

// fault is the state of a pool whose last connect failed for a reason that is not
// its server's. While there is one, only one connect at a time is tried.
type fault struct {
	kind    Kind
	client  *sqlstate.Error // what clients are told
	at      time.Duration
	backoff time.Duration // before the random part is taken off
	pause   time.Duration // from at to the next try, if nobody waits
}

// faultLocked records a failure, doubling the back-off if it is not the first.
func (p *Pool[C]) faultLocked(f Failure, err error, t time.Duration) {
	first, most := downFirst, downMost
	if f.Kind == Rejected {
		first, most = rejectFirst, rejectMost
	}
	next := fault{kind: f.Kind, client: clientError(f, err), at: t, backoff: first}
	if last := p.fault; last != nil && (last.kind == Rejected) == (f.Kind == Rejected) {
		next.backoff = min(2*last.backoff, most)
	}
	next.pause = jitter(next.backoff, backoffJitter)
	p.fault = &next
}

// retryLocked is the instant from which a connect may be tried again.
func (p *Pool[C]) retryLocked() time.Duration {
	if p.queue.count > 0 && p.fault.kind != Rejected {
		return p.fault.at + min(p.fault.pause, downWaiting)
	}
	return p.fault.at + p.fault.pause
}

// rejectedLocked reports that PostgreSQL refused the role or database a moment
// ago and no connection is open, so that waiting is in vain until the next try.
func (p *Pool[C]) rejectedLocked(t time.Duration) bool {
	return p.fault != nil && p.fault.kind == Rejected && p.openLocked() == 0 && t < p.retryLocked()
}
