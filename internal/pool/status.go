// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"math"
	"time"
)

// lastError is the last failed connect. The zero value: none failed yet.
type lastError struct {
	err error
	at  time.Time
}

// Status is a pool at one moment.
type Status struct {
	Database string
	User     string

	Idle       int
	Active     int // with a client, on the way to or from one, or being closed
	Connecting int
	Waiting    int
	OldestWait time.Duration // zero if nobody waits

	Min    int
	Max    int    // as configured
	Limit  int    // the least of Max and what each budget allows now
	Source string // what set Limit

	Failing     bool      // the server is down, or the pool's last connect failed
	LastError   error     // the server's or the pool's last failed connect; nil if none ever failed
	LastErrorAt time.Time // when that was
	Draining    bool
}

// Status returns the pool as it is now.
func (p *Pool[C]) Status() Status {
	p.mu.Lock()
	s := Status{
		Database: p.cfg.Database, User: p.cfg.User,
		Idle:       p.idle.count,
		Active:     p.openLocked() - p.idle.count,
		Connecting: p.connecting,
		Waiting:    p.queue.count,
		Min:        p.cfg.Min, Max: p.cfg.Max, Limit: p.cfg.Max, Source: p.cfg.Source,
		Failing:   p.fault != nil,
		LastError: p.last.err, LastErrorAt: p.last.at,
		Draining: p.draining,
	}
	if w := p.queue.oldest(); w != nil {
		s.OldestWait = now() - w.since
	}
	p.mu.Unlock()
	if down := p.server().Status(); !down.Since.IsZero() {
		s.Failing, s.LastError, s.LastErrorAt = true, down.Error, down.TriedAt
	}
	for _, b := range p.shares() {
		if n, source := b.bound(); n < s.Limit {
			s.Limit, s.Source = n, source
		}
	}
	return s
}

// bound is what may be used now, and what set that.
func (b *Budget) bound() (int, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil && b.effective < math.MaxInt {
		return b.effective, b.source + " (PostgreSQL answered 53300)"
	}
	return b.effective, b.source
}
