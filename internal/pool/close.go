// SPDX-License-Identifier: Apache-2.0

package pool

import "time"

// Drain closes the idle connections now and the others as they are released. Those
// who wait, or come to wait, are still served.
func (p *Pool[C]) Drain() {
	p.mu.Lock()
	p.draining = true
	conns := p.allIdleLocked()
	p.mu.Unlock()
	p.dropAll(conns, "pool draining")
}

// vacancy is how long a pool stays vacated at most. PostgreSQL waits 5 s for
// others to leave a database (CountOtherDBBackends).
const vacancy = 10 * time.Second

// Vacate closes the idle connections now, and for the next ten seconds those
// that are released and for which nobody waits. In that time the pool keeps no
// minimum. It is for a database that nobody may be connected to for a moment.
func (p *Pool[C]) Vacate() {
	t := now()
	p.mu.Lock()
	p.vacated = t + vacancy
	p.armLocked(p.vacated, t)
	conns := p.allIdleLocked()
	p.mu.Unlock()
	p.dropAll(conns, "nobody may be connected to its database now")
}

// Recycle closes the idle connections now and those in use as they are released,
// and forgets the last failure and Vacate: for a change of password, certificate,
// address or database.
func (p *Pool[C]) Recycle() {
	p.mu.Lock()
	p.epoch++
	p.fault = nil
	p.vacated = 0
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
	p.moveOut(p.at.Load())
}

// allIdleLocked takes out every idle connection.
func (p *Pool[C]) allIdleLocked() []C {
	return p.idle.takeIf(func(C) bool { return true })
}
