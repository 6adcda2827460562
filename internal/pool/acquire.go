// SPDX-License-Identifier: Apache-2.0

package pool

import "time"

// TryAcquire takes an idle connection: one that fits, of the given loop if there
// is one, else one of the given loop, else any (Conn.Loop tells). It returns
// false if there is none; the caller then calls Wait. It overtakes nobody: while
// someone waits no connection is idle. Connections that turn out dead or expired
// are closed on the way.
func (p *Pool[C]) TryAcquire(loop int, fit any) (c C, ok bool) {
	for {
		t := now()
		p.mu.Lock()
		if c, ok = p.idle.pop(loop, fit); !ok {
			p.mu.Unlock()
			return c, false
		}
		if p.handOut(c, c.Node(), t) {
			return c, true
		}
	}
}

// Reacquire takes that connection if it is idle, and fit for use.
func (p *Pool[C]) Reacquire(c C) bool {
	t := now()
	p.mu.Lock()
	n := c.Node()
	if n.state != idle {
		p.mu.Unlock()
		return false
	}
	p.idle.remove(c)
	return p.handOut(c, n, t)
}

// handOut makes a connection that was taken out of the idle ones its finder's. One
// that is unfit is closed. The pool is locked before and not after.
func (p *Pool[C]) handOut(c C, n *Node, t time.Duration) bool {
	if why := p.unfitLocked(c, n, t); why != "" {
		n.state = gone
		p.mu.Unlock()
		p.drop(c, why)
		return false
	}
	n.state = busy
	n.check = t >= after(n.since, p.cfg.CheckAfter) || n.since <= p.suspected
	p.mu.Unlock()
	return true
}

// Wait joins the queue and opens connections as needed. The owner hears how it
// ends: a connection, AcquireTimeout, or the reason why waiting is in vain.
// w must not be in a queue.
func (p *Pool[C]) Wait(w *Waiter[C]) {
	if c, ok := p.enqueue(w); ok {
		w.Owner.Granted(c)
	}
}

// enqueue puts w into the queue, unless a connection was released since the caller
// found none, or waiting is in vain.
func (p *Pool[C]) enqueue(w *Waiter[C]) (c C, ok bool) {
	t := now()
	p.mu.Lock()
	for p.idle.count > 0 {
		p.mu.Unlock()
		if c, ok = p.TryAcquire(w.Loop, w.Fit); ok {
			return c, true
		}
		p.mu.Lock()
	}
	if err := p.vainLocked(t); err != nil {
		p.mu.Unlock()
		w.Owner.Refused(err)
		return c, false
	}
	p.queue.push(w, t)
	p.armLocked(after(t, p.cfg.AcquireTimeout), t)
	full := p.growLocked(t)
	p.mu.Unlock()
	p.hunt(full)
	return c, false
}

// vainLocked is the reason why nobody can be served, nil if somebody may be.
func (p *Pool[C]) vainLocked(t time.Duration) error {
	if p.closed != nil {
		return p.closed
	}
	if p.rejectedLocked(t) {
		return p.fault.client
	}
	return nil
}

// Leave takes w out of the queue at once, for a client that has gone. It returns
// false when the wait has ended already: then Granted or Refused has been called
// or is about to be. A connect that was started for w goes on.
func (p *Pool[C]) Leave(w *Waiter[C]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.queued {
		return false
	}
	p.queue.remove(w)
	p.eatLocked()
	return true
}
