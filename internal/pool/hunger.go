// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"slices"
	"time"
)

// waiting is described at peer.
func (p *Pool[C]) waiting() time.Duration { return time.Duration(p.oldest.Load()) }

// feed is described at peer.
func (p *Pool[C]) feed() {
	p.mu.Lock()
	p.withdrawLocked()
	p.mu.Unlock()
	p.settle()
}

// spare is described at peer.
func (p *Pool[C]) spare() (since time.Duration, surplus bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.idle.oldest()
	if !ok {
		return never, false
	}
	return c.Node().since, p.openLocked() > p.floorLocked()
}

// unused is described at peer.
func (p *Pool[C]) unused(before time.Duration) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, stack := range p.idle.loops {
		for _, c := range stack {
			if c.Node().since <= before {
				n++
			}
		}
	}
	return n
}

// evict is described at peer.
func (p *Pool[C]) evict(before time.Duration) bool {
	p.mu.Lock()
	c, ok := p.idle.oldest()
	if !ok || c.Node().since > before {
		p.mu.Unlock()
		return false
	}
	p.idle.remove(c)
	c.Node().state = gone
	p.mu.Unlock()
	p.drop(c, "its place goes to another pool")
	return true
}

// pressed is the one look at the budgets that each release takes.
func (p *Pool[C]) pressed() bool {
	for _, b := range p.shares() {
		if b.pressed.Load() {
			return true
		}
	}
	return false
}

// yieldsLocked reports whether a connection that is being released must be closed
// for another pool.
func (p *Pool[C]) yieldsLocked(t time.Duration) bool {
	own := t
	if w := p.queue.oldest(); w != nil {
		own = w.since
	}
	return slices.ContainsFunc(p.shares(), func(b *Budget) bool { return b.wants(p, own) })
}

// starveLocked makes the pool hungry at a full budget.
func (p *Pool[C]) starveLocked(full *Budget, t time.Duration) {
	p.hungryAt = full
	p.oldest.Store(int64(p.queue.oldest().since))
	full.starve(p)
	p.huntAgainLocked(t)
}

// eatLocked brings the pool's hunger up to date after the queue got shorter.
func (p *Pool[C]) eatLocked() {
	if p.hungryAt == nil {
		return
	}
	if p.queue.count <= p.connecting {
		p.withdrawLocked()
		return
	}
	p.oldest.Store(int64(p.queue.oldest().since))
}

// withdrawLocked ends the pool's hunger.
func (p *Pool[C]) withdrawLocked() {
	if p.hungryAt != nil {
		p.hungryAt.sate(p)
		p.hungryAt = nil
	}
}

// hunt closes an idle connection of another pool, so that this one, hungry at the
// given budget, is fed. Connections that were in use a moment ago are left alone
// until the oldest waiter has waited a moment too. full may be nil: no hunger.
func (p *Pool[C]) hunt(full *Budget) {
	if full == nil {
		return
	}
	full.feed() // a place may have come free after it was refused and before the pool was hungry
	if !p.hungry(full) {
		return
	}
	t := now()
	before := t
	if t-p.waiting() < evictPatience {
		before = t - evictPatience
	}
	full.reclaim(p, before)
}

// hungry reports whether the pool is hungry at the given budget.
func (p *Pool[C]) hungry(full *Budget) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hungryAt == full
}

// huntAgainLocked arms the timer for the next hunt: when the oldest waiter's
// patience ends, then each time its wait has doubled. Releases in other pools feed
// this one in the meantime; the hunt finds what they left idle in the wrong moment.
func (p *Pool[C]) huntAgainLocked(t time.Duration) {
	waited := t - p.waiting()
	p.armLocked(t+max(waited, evictPatience-waited), t)
}
