// SPDX-License-Identifier: Apache-2.0

package pool

import "time"

// armLocked makes upkeep run at the given instant at the latest. The timer is
// never stopped when its reason goes away: upkeep finds nothing due and arms
// it for what is next, so that a queue that fills and empties with each transaction
// costs one timer in AcquireTimeout.
func (p *Pool[C]) armLocked(at, t time.Duration) {
	if at >= p.wakeAt || p.closed != nil {
		return
	}
	p.wakeAt = at
	p.timer.Reset(at - t)
}

// upkeep does what is due: it ends waits, closes connections that were idle too
// long or have reached their lifetime, and opens those that are missing. The timer
// runs it; each part arms the timer for the next time.
func (p *Pool[C]) upkeep() {
	t := now()
	p.mu.Lock()
	p.wakeAt = never
	p.occupyLocked(t)
	late := p.lateLocked(t)
	idled := p.idledLocked(t)
	expired := p.expiredLocked(t)
	p.eatLocked()
	hungryAt := p.hungryAt
	if hungryAt != nil {
		p.huntAgainLocked(t)
	}
	p.mu.Unlock()
	if len(late) > 0 {
		refuse(late, p.timeout(len(late)))
	}
	p.dropAll(idled, "idle time-out")
	p.dropAll(expired, "end of its lifetime")
	p.hunt(hungryAt)
	p.settle()
}

// occupyLocked ends what Vacate began when its time is over.
func (p *Pool[C]) occupyLocked(t time.Duration) {
	switch {
	case p.vacated == 0:
	case t < p.vacated:
		p.armLocked(p.vacated, t)
	default:
		p.vacated = 0
	}
}

// lateLocked takes out the waiters whose time is up. The time-out is the same for
// all, so that each list ends from its head.
func (p *Pool[C]) lateLocked(t time.Duration) []*Waiter[C] {
	return p.queue.takeIf(func(w *Waiter[C]) bool {
		deadline := after(w.since, p.cfg.AcquireTimeout)
		if t < deadline {
			p.armLocked(deadline, t)
		}
		return t >= deadline
	})
}

// expiredLocked takes out the idle connections whose lifetime is over.
func (p *Pool[C]) expiredLocked(t time.Duration) []C {
	return p.idle.takeIf(func(c C) bool {
		n := c.Node()
		if t < n.expires {
			p.armLocked(n.expires, t)
		}
		return t >= n.expires
	})
}

// idledLocked takes out the connections that have been idle too long, longest
// first, down to the minimum.
func (p *Pool[C]) idledLocked(t time.Duration) (taken []C) {
	for p.openLocked()-len(taken) > p.floorLocked() {
		c, ok := p.idle.oldest()
		if !ok {
			break
		}
		n := c.Node()
		if end := after(n.since, p.cfg.IdleTimeout); t < end {
			p.armLocked(end, t)
			break
		}
		p.idle.remove(c)
		n.state = gone
		taken = append(taken, c)
	}
	return taken
}
