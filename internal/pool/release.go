// SPDX-License-Identifier: Apache-2.0

package pool

import "time"

// Release gives back a connection that is in step with PostgreSQL and idle there.
// It goes to a waiter, else it becomes idle, unless it is unfit for use or
// another pool needs its place more. Releasing a connection that is not in use
// panics: it would be handed to two clients.
func (p *Pool[C]) Release(c C) {
	t := now()
	p.mu.Lock()
	n := c.Node()
	if n.state != busy {
		p.mu.Unlock()
		panic("pool: Release of a connection that is not in use")
	}
	why := p.unfitLocked(c, n, t)
	if why == "" && p.pressed() && p.yieldsLocked(t) {
		why = "its place goes to another pool"
	}
	w := p.putLocked(c, n, t, why)
	p.mu.Unlock()
	p.finish(c, w, why)
}

// putLocked decides where a busy connection goes: out, if why gives a reason,
// else to the waiter that is returned, else to the idle ones. The caller calls
// finish with the same after unlocking.
func (p *Pool[C]) putLocked(c C, n *Node, t time.Duration, why string) *Waiter[C] {
	if why != "" {
		n.state = gone
		return nil
	}
	if w := p.queue.next(c.Loop(), t); w != nil {
		n.check = false
		p.eatLocked()
		return w
	}
	p.idle.push(c, t)
	p.armLocked(min(n.expires, after(t, p.cfg.IdleTimeout)), t)
	return nil
}

// finish does the part of putLocked that must not hold the lock.
func (p *Pool[C]) finish(c C, w *Waiter[C], why string) {
	if why != "" {
		p.drop(c, why)
	} else if w != nil {
		w.Owner.Granted(c)
	}
}

// unfitLocked is the one list of reasons against using a connection again; empty
// if there is none.
func (p *Pool[C]) unfitLocked(c C, n *Node, t time.Duration) string {
	switch {
	case c.Dead():
		return "lost, or sent what nobody asked for"
	case t >= n.expires:
		return "end of its lifetime"
	case n.epoch != p.epoch:
		return "opened before the settings changed"
	case p.address != "" && c.Address() != p.address:
		return "PostgreSQL's primary is at another address"
	case p.openLocked() > p.cfg.Max:
		return "more than the pool may have now"
	case p.closed != nil:
		return "pool closed"
	case p.draining && p.queue.count == 0:
		return "pool draining"
	case p.vacated != 0 && p.queue.count == 0:
		return "nobody may be connected to its database now"
	}
	return ""
}

// Discard closes a connection in use that cannot be used again, and opens another
// if someone waits. Discarding a connection that is not in use panics.
func (p *Pool[C]) Discard(c C, why string) {
	p.mu.Lock()
	n := c.Node()
	if n.state != busy {
		p.mu.Unlock()
		panic("pool: Discard of a connection that is not in use")
	}
	n.state = gone
	p.mu.Unlock()
	p.drop(c, why)
}

// Lost closes an idle connection that its loop has found dead. It returns false,
// having done nothing, if the connection is not idle any more: then whoever holds
// it will notice.
func (p *Pool[C]) Lost(c C, why string) bool {
	p.mu.Lock()
	n := c.Node()
	if n.state != idle {
		p.mu.Unlock()
		return false
	}
	p.idle.remove(c)
	n.state = gone
	p.mu.Unlock()
	p.drop(c, why)
	return true
}

// drop closes a connection whose state is gone, and gives back its place, in
// this order: PostgreSQL counts it until it is closed.
func (p *Pool[C]) drop(c C, why string) {
	c.Close(why)
	p.mu.Lock()
	p.places--
	p.mu.Unlock()
	give(c.Node().home.budgets, true)
	p.settle()
}

// dropAll closes several.
func (p *Pool[C]) dropAll(conns []C, why string) {
	for _, c := range conns {
		p.drop(c, why)
	}
}
