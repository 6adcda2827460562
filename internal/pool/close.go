// SPDX-License-Identifier: Apache-2.0

package pool

// Drain closes the idle connections now and the others as they are released. Those
// who wait, or come to wait, are still served.
func (p *Pool[C]) Drain() {
	p.mu.Lock()
	p.draining = true
	conns := p.allIdleLocked()
	p.mu.Unlock()
	p.dropAll(conns, "pool draining")
}

// Recycle closes the idle connections now and those in use as they are released,
// and forgets the last failure: for a change of password, certificate or address.
func (p *Pool[C]) Recycle() {
	p.mu.Lock()
	p.epoch++
	p.fault = nil
	conns := p.allIdleLocked()
	p.mu.Unlock()
	p.dropAll(conns, "opened before the settings changed")
	p.settle()
}

// Close closes the idle connections, refuses those who wait and those who still
// come with err, which must not be nil, and returns when no connect is in flight. Connections in use are
// closed as they are released. A second Close waits like the first.
func (p *Pool[C]) Close(err error) {
	p.mu.Lock()
	if p.closed == nil {
		p.closed = err
	}
	p.timer.Stop()
	conns := p.allIdleLocked()
	p.mu.Unlock()
	p.cancel()
	p.dropAll(conns, "pool closed")
	p.settle()
	p.connects.Wait()
	p.cfg.Server.part(p)
	for _, b := range p.budgets {
		b.part(p)
	}
}

// allIdleLocked takes out every idle connection.
func (p *Pool[C]) allIdleLocked() []C {
	return p.idle.takeIf(func(C) bool { return true })
}
