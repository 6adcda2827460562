// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"slices"
	"time"
)

// evictPatience is how much longer than a pool's own clients those of a hungry
// pool must have waited before the pool closes a connection for them, and how long
// a connection must have been idle to be closed for them at once. It is a few
// times what opening a connection costs, so that pools that take turns spend
// most of their time on transactions.
const evictPatience = 20 * time.Millisecond

// peer is a pool as others that share its budgets see it. All but waiting are
// called with no lock held.
type peer interface {
	// waiting is the arrival of the oldest waiter of a hungry pool. Any lock may
	// be held.
	waiting() time.Duration
	// feed lets a hungry pool try again.
	feed()
	// spare is since when the longest idle connection has been idle, never if none
	// is, and whether it is above the pool's minimum.
	spare() (since time.Duration, surplus bool)
	// unused counts the connections that have been idle since before the given
	// instant.
	unused(before time.Duration) int
	// evict closes the longest idle connection if it has been idle since before
	// the given instant.
	evict(before time.Duration) bool
}

// join adds a pool to those that share the budget.
func (b *Budget) join(p peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.peers = append(slices.Clone(b.peers), p)
}

// part takes a pool out again.
func (b *Budget) part(p peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.peers = slices.DeleteFunc(slices.Clone(b.peers), func(q peer) bool { return q == p })
}

// starve adds p to the hungry pools.
func (b *Budget) starve(p peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hungry = append(b.hungry, p)
	b.pressLocked()
}

// sate takes p out of the hungry pools if it is one.
func (b *Budget) sate(p peer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sateLocked(p)
}

func (b *Budget) sateLocked(p peer) {
	if i := slices.Index(b.hungry, p); i >= 0 {
		b.hungry = slices.Delete(b.hungry, i, i+1)
	}
	b.pressLocked()
}

// hungriestLocked is the hungry pool other than except whose oldest waiter came
// first, nil if there is none.
func (b *Budget) hungriestLocked(except peer) (first peer) {
	for _, p := range b.hungry {
		if p != except && (first == nil || p.waiting() < first.waiting()) {
			first = p
		}
	}
	return first
}

// wants reports whether p should close a connection instead of giving it to a
// client that has waited since own: the budget is overdrawn, or a hungry pool's
// client has waited longer by evictPatience.
func (b *Budget) wants(p peer, own time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used > b.effective {
		return true
	}
	first := b.hungriestLocked(p)
	return first != nil && first.waiting() <= own-evictPatience
}

// feed lets hungry pools try again, in the order of their oldest waiters, while
// there is room. It ends: a pool that comes back to the list found the budget full.
func (b *Budget) feed() {
	for p := b.nextHungry(); p != nil; p = b.nextHungry() {
		p.feed()
	}
}

func feed(budgets []*Budget) {
	for _, b := range budgets {
		b.feed()
	}
}

// nextHungry takes the hungriest pool out of the list if there is room for it.
func (b *Budget) nextHungry() peer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used >= b.effective {
		return nil
	}
	p := b.hungriestLocked(nil)
	if p != nil {
		b.sateLocked(p)
	}
	return p
}

// Unused counts the connections, of all pools, that have been idle for d or longer.
func (b *Budget) Unused(d time.Duration) (n int) {
	b.mu.Lock()
	peers := b.peers
	b.mu.Unlock()
	before := now() - d
	for _, p := range peers {
		n += p.unused(before)
	}
	return n
}

// reclaim closes the longest idle connection of any pool but asker, of those idle
// since before the given instant; one above its pool's minimum if there is one.
// asker may be nil.
func (b *Budget) reclaim(asker peer, before time.Duration) bool {
	b.mu.Lock()
	peers := b.peers
	b.mu.Unlock()
	var victim peer
	var longest time.Duration
	var above bool
	for _, p := range peers {
		if p == asker {
			continue
		}
		since, surplus := p.spare()
		if since == never || since > before {
			continue
		}
		if victim == nil || surplus && !above || surplus == above && since < longest {
			victim, longest, above = p, since, surplus
		}
	}
	return victim != nil && victim.evict(before)
}
