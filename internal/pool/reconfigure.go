// SPDX-License-Identifier: Apache-2.0

package pool

import "slices"

// Reconfigure changes names, numbers, times and server to those of cfg, and the budgets;
// Loops, the functions and the logger stay as they are. It ends a Drain. Nobody in
// the queue loses their place. Connections above a lower Max are closed, idle ones
// now and the others as they are released; those that are open keep their lifetime
// and the budgets from which they have their places. Where they are no good any
// more, call Recycle after.
func (p *Pool[C]) Reconfigure(cfg Config[C], budgets ...*Budget) {
	if cfg.Server == nil {
		cfg.Server = p.server()
	}
	cfg.normalize()
	p.mu.Lock()
	p.cfg.change(&cfg)
	p.draining = false
	p.moveLocked(&home{cfg.Server, inOrder(budgets)})
	surplus := p.surplusLocked()
	p.mu.Unlock()
	p.dropAll(surplus, "more than the pool may have now")
	p.upkeep() // by the new times
}

// moveLocked has the connections to come be from h. Hunger at a budget that stays
// comes back by itself.
func (p *Pool[C]) moveLocked(h *home) {
	old := p.at.Load()
	if h.server == old.server && slices.Equal(h.budgets, old.budgets) {
		return
	}
	p.withdrawLocked()
	p.moveOut(old)
	p.moveIn(h, p.cfg.MaxConnecting)
	p.address = ""
}

// surplusLocked takes out idle connections above the maximum, the longest idle
// first.
func (p *Pool[C]) surplusLocked() (taken []C) {
	for p.openLocked()-len(taken) > p.cfg.Max {
		c, ok := p.idle.oldest()
		if !ok {
			break
		}
		p.idle.remove(c)
		c.Node().state = gone
		taken = append(taken, c)
	}
	return taken
}
