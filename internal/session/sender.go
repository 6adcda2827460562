// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"encoding/binary"
	"sync"
	"time"
)

// A notification names the backend that sent it. Clients know each other, and
// themselves, by the process ids that weir gave them: drivers compare a
// notification's with their own to pass over what they sent themselves. So an
// upstream notes who may have notified with it, from before the statement is
// sent until the hub has passed on what came of it, and is lent to nobody else
// meanwhile. Where nobody is noted (a trigger of a client that does not listen)
// the backend's own id stays, which no client has: better a notification of
// one's own that looks like another's than the reverse.

// backend is a PostgreSQL process that serves the gateway.
type backend struct {
	address string
	pid     uint32
}

// backends finds upstreams by their process ids.
type backends struct {
	mu   sync.Mutex
	list map[backend]*Upstream // guarded by mu
}

func (b *backends) add(u *Upstream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.list == nil {
		b.list = make(map[backend]*Upstream)
	}
	b.list[backend{u.Address(), u.PID()}] = u
}

func (b *backends) remove(u *Upstream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id := (backend{u.Address(), u.PID()}); b.list[id] == u {
		delete(b.list, id)
	}
}

// knownAs returns the process id by which clients know the sender of a
// notification; any goroutine may ask.
func (e *Env) knownAs(address string, pid uint32) uint32 {
	e.backends.mu.Lock()
	u := e.backends.list[backend{address, pid}]
	e.backends.mu.Unlock()
	if u == nil {
		return pid
	}
	if sender := u.sender.Load(); sender != 0 {
		return sender
	}
	return pid
}

// putPID puts another sender into the body of a NotificationResponse.
func putPID(body []byte, pid uint32) { binary.BigEndian.PutUint32(body, pid) }

// fencePatience bounds the wait for the hub's answer.
const fencePatience = 5 * time.Second

// mayNotify notes that the client may notify with its upstream. If it listens
// itself, what others did with the upstream must be through first.
func (x *exchange) mayNotify() {
	if x.listen.notifies {
		return
	}
	x.listen.notifies = true
	if x.s.ears != nil {
		x.settleHub()
	}
	x.up.sender.Store(x.s.key.pid)
}

// awaitOwn waits for the notifications that a listening client has sent itself:
// PostgreSQL gives them before it says that the transaction has ended.
func (x *exchange) awaitOwn() {
	x.settleHub()
	x.up.sender.Store(0)
	x.listen.notifies = false
}

// settleHub waits until the hub has passed on what was committed until now.
func (x *exchange) settleHub() {
	hub := x.pool().hub
	_ = x.await(fencePatience, func(ctx context.Context) error {
		hub.Settle(ctx)
		return nil
	})
}

// fence keeps the upstream, which its client lets go of, until the hub has passed
// on what the client notified others of.
func (u *Upstream) fence() {
	u.cancels.Add(1)
	u.pool.hub.After(func() {
		u.sender.Store(0)
		u.cancelOver("")
	})
}
