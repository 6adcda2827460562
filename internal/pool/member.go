// SPDX-License-Identifier: Apache-2.0

package pool

// suspect is described at member.
func (p *Pool[C]) suspect() {
	p.mu.Lock()
	p.suspected = now()
	p.mu.Unlock()
}

// moved is described at member.
func (p *Pool[C]) moved(address string) {
	p.mu.Lock()
	p.address = address
	conns := p.idle.takeIf(func(c C) bool { return c.Address() != address })
	p.mu.Unlock()
	p.dropAll(conns, "PostgreSQL's primary is at another address")
}

// DropIdle closes the idle connections now.
func (p *Pool[C]) DropIdle(why string) {
	p.mu.Lock()
	conns := p.allIdleLocked()
	p.mu.Unlock()
	p.dropAll(conns, why)
}
