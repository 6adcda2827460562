// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"time"
)

// minimumRetry is how long a pool below its minimum leaves a full budget alone.
const minimumRetry = time.Second

// settle opens the connections that are needed and possible, and refuses those
// who wait in vain. Every slow path ends with it. No lock may be held.
func (p *Pool[C]) settle() {
	t := now()
	p.mu.Lock()
	var vain []*Waiter[C]
	err := p.vainLocked(t)
	if err != nil {
		vain = p.queue.takeIf(func(*Waiter[C]) bool { return true })
		p.eatLocked()
	}
	full := p.growLocked(t)
	p.mu.Unlock()
	refuse(vain, err)
	p.hunt(full)
}

// growLocked starts connects while they are needed and possible. It returns the
// budget that stands in the way of a waiter if the pool has just become hungry at
// it: the caller calls hunt with it after unlocking.
func (p *Pool[C]) growLocked(t time.Duration) *Budget {
	for p.hungryAt == nil {
		waiters := p.queue.count > p.connecting
		if !waiters && p.places >= p.floorLocked() || !p.mayConnectLocked(t) {
			return nil
		}
		full, at := p.server().take(p, p.shares(), waiters, t)
		if at > t {
			p.armLocked(at, t)
			return nil
		}
		if full == nil {
			p.startLocked(t)
			continue
		}
		if !waiters {
			p.armLocked(t+minimumRetry, t)
			return nil
		}
		p.starveLocked(full, t)
		return full
	}
	return nil
}

// mayConnectLocked reports whether one more connect may start now, as far as the
// pool itself is concerned.
func (p *Pool[C]) mayConnectLocked(t time.Duration) bool {
	if p.closed != nil || p.places >= p.cfg.Max {
		return false
	}
	if p.fault == nil {
		return p.connecting < p.cfg.MaxConnecting
	}
	if p.connecting > 0 {
		return false
	}
	retry := p.retryLocked()
	if t < retry {
		p.armLocked(retry, t)
		return false
	}
	return true
}

// probe is described at member.
func (p *Pool[C]) probe() bool {
	t := now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mayConnectLocked(t) {
		return false
	}
	full, at := p.server().take(p, p.shares(), true, t)
	if full != nil || at > t {
		return false
	}
	p.startLocked(t)
	return true
}

// startLocked starts one connect, whose places are taken.
func (p *Pool[C]) startLocked(t time.Duration) {
	p.places++
	p.connecting++
	c := connect{p.turnLocked(), p.epoch, t, p.at.Load(), p.cfg.ConnectTimeout}
	p.connects.Go(func() { p.connect(c) })
}

// connect is one connect in flight, with what held for the pool when it began.
type connect struct {
	loop    int
	epoch   uint32
	began   time.Duration
	home    *home
	timeout time.Duration
}

// turnLocked is the loop for the next connection: the next in turn on which someone
// waits, else the next in turn.
func (p *Pool[C]) turnLocked() int {
	loop := p.turn
	for i := range p.cfg.Loops {
		if l := (p.turn + i) % p.cfg.Loops; p.queue.loops[l].head != nil {
			loop = l
			break
		}
	}
	p.turn = (loop + 1) % p.cfg.Loops
	return loop
}

// connect opens one connection and hands it to the pool. It does not end when the
// waiter that it was started for leaves.
func (p *Pool[C]) connect(try connect) {
	ctx, cancel := p.ctx, context.CancelFunc(func() {})
	if try.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, try.timeout)
	}
	defer cancel()
	c, err := p.cfg.Connect(ctx, try.loop)
	if err != nil {
		p.failed(err, try)
	} else {
		p.opened(c, try)
	}
	try.home.server.unblock()
}

// opened adds a new connection: to a waiter, or to the idle ones. It is not given up
// for another pool before it has been of use.
func (p *Pool[C]) opened(c C, try connect) {
	try.home.server.opened(c.Address(), try.began)
	t := now()
	p.mu.Lock()
	p.connecting--
	recovered := p.fault != nil
	p.fault = nil
	n := c.Node()
	n.state, n.epoch, n.home = busy, try.epoch, try.home
	n.expires = after(t, jitter(p.cfg.Lifetime, p.cfg.LifetimeJitter))
	why := p.unfitLocked(c, n, t)
	w := p.putLocked(c, n, t, why)
	database, user := p.cfg.Database, p.cfg.User
	p.mu.Unlock()
	if recovered {
		p.cfg.Logger.Info("connected to PostgreSQL again", "database", database, "user", user)
	}
	p.finish(c, w, why)
	p.settle()
}

// failed gives back the place of a connect that failed, and decides what that
// means for the waiters, the budgets and the next try.
func (p *Pool[C]) failed(err error, try connect) {
	f := p.cfg.Classify(err)
	p.mu.Lock()
	p.places--
	p.connecting--
	// What an older password or address met says nothing about today's.
	counts := p.closed == nil && try.epoch == p.epoch
	if counts {
		p.last = lastError{err: err, at: time.Now()}
		p.withdrawLocked() // others need not make room for a pool that cannot connect
	}
	p.mu.Unlock()
	if !counts {
		try.home.server.abandoned(try.began)
	} else if !try.home.server.failed(f, err, try.began) {
		p.faulty(f, err)
	}
	p.returned(f, try.home.budgets)
	p.settle()
}

// faulty notes a failure that is this pool's alone.
func (p *Pool[C]) faulty(f Failure, err error) {
	p.mu.Lock()
	news := p.fault == nil || p.fault.kind != f.Kind
	p.faultLocked(f, err, now())
	database, user := p.cfg.Database, p.cfg.User
	p.mu.Unlock()
	if news {
		p.cfg.Logger.Warn("cannot open a connection to PostgreSQL",
			"database", database, "user", user, "error", err)
	}
}

// returned gives back the place of a connect that failed. If PostgreSQL was full
// the budget shrinks before anyone else can take it.
func (p *Pool[C]) returned(f Failure, budgets []*Budget) {
	giveBack(budgets, false)
	if f.Kind == Full {
		for _, b := range budgets {
			if f.Budget == nil || f.Budget == b {
				b.Full()
			}
		}
	}
	feed(budgets)
}
