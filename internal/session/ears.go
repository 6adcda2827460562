// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"slices"
	"sync"

	"github.com/weir-pg/weir/internal/listen"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// ears is what a client has that listens: its channels, and the notifications
// that it is still to be given. It subscribes to the pool's hub.
type ears struct {
	s *Session

	mu       sync.Mutex
	channels map[string]place       // guarded by mu
	mail     []*listen.Notification // guarded by mu; in order
	bytes    int                    // guarded by mu; of the messages in mail
	posted   bool                   // guarded by mu; its loop has been told
	over     bool                   // guarded by mu; there was more than the client may have waiting
}

// place says which connection gives a client the notifications on a channel.
type place uint8

const (
	atUpstream place = iota // the one that it holds, while the hub takes the channel over
	atHub                   // the pool's hub
)

// Notify is part of listen.Subscriber. A client that is idle is told at once,
// another when its transaction ends.
func (e *ears) Notify(n *listen.Notification) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, listens := e.channels[n.Channel]; !listens {
		return
	}
	stats := e.s.pool.stats
	if e.over {
		stats.NotificationsLost.Add(0, 1)
		return
	}
	e.mail = append(e.mail, n)
	e.bytes += len(n.Message)
	if limit := e.s.pool.config().MaxNotificationBytes; int64(e.bytes) > limit {
		e.over = true
		stats.NotificationsLost.Add(0, uint64(len(e.mail)))
		e.mail = nil
	}
	if !e.posted {
		e.posted = true
		e.s.client.Loop().Post(e)
	}
}

// Run goes on, on the session's loop, after Notify.
func (e *ears) Run() {
	e.mu.Lock()
	e.posted = false
	over := e.over
	e.mu.Unlock()
	s := e.s
	switch s.State() {
	case Idle:
		s.client.Loop().Go(s)
	case Active:
		s.client.Wake()
	case Waiting:
		if over {
			s.client.Break() // it leaves the queue
		}
	case Closing, Closed:
	}
}

// hub reports whether the hub gives the client the notifications on a channel.
func (e *ears) hub(channel string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.channels[channel] == atHub
}

// add notes channels, and where their notifications come from.
func (e *ears) add(where place, channels ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range channels {
		e.channels[name] = where
	}
}

// remove forgets channels with what has come on them, and reports whether none
// are left. PostgreSQL drops what a session has not read when it unlistens too.
func (e *ears) remove(channels ...string) (empty bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range channels {
		delete(e.channels, name)
	}
	e.mail = slices.DeleteFunc(e.mail, func(n *listen.Notification) bool {
		_, listens := e.channels[n.Channel]
		if !listens {
			e.bytes -= len(n.Message)
		}
		return !listens
	})
	return len(e.channels) == 0
}

// names lists the channels.
func (e *ears) names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]string, 0, len(e.channels))
	for name := range e.channels {
		list = append(list, name)
	}
	return list
}

// hear gives the client what it may have now of its notifications: none inside a
// transaction, as in PostgreSQL.
func (x *exchange) hear() (moved bool) {
	e := x.s.ears
	if e == nil || x.leaving {
		return false
	}
	e.mu.Lock()
	over := e.over
	e.mu.Unlock()
	if over {
		x.deafen()
		return true
	}
	if x.waiting || x.s.skipping || x.s.blockStatus() != wire.Idle || x.toClient.pass > 0 || x.listen.owes || x.up != nil && !x.between() {
		return false
	}
	return x.relate(e)
}

// relate writes notifications for the client, as far as there is room.
func (x *exchange) relate(e *ears) (moved bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.mail) == 0 || len(x.toClient.out) >= outLimit/2 {
		return false
	}
	sent := 0
	x.toClient.insert(func(out []byte) []byte {
		for _, n := range e.mail {
			if len(out) >= outLimit/2 { // not so much that the upstream could not be read
				break
			}
			out = append(out, n.Message...)
			e.bytes -= len(n.Message)
			sent++
		}
		return out
	})
	clear(e.mail[:sent])
	if e.mail = e.mail[sent:]; len(e.mail) == 0 {
		e.mail = nil
	}
	x.pool().stats.Notifications.Add(x.shard(), uint64(sent))
	return sent > 0
}

// deafen ends a client that does not take its notifications.
func (x *exchange) deafen() {
	limit := x.pool().config().MaxNotificationBytes
	x.s.env.log.Warn("a client that listens did not read its notifications and is disconnected", "waiting", "more than pool.max_notification_bytes", "limit", limit, "client", x.s.describe())
	if x.toClient.pending() {
		x.leaving, x.hungUp = true, true // it would not read a farewell either
		return
	}
	x.refuse(&sqlstate.Error{
		Code:    sqlstate.NotificationLimit,
		Message: fmt.Sprintf("more than %d bytes of notifications wait for this client; the connection is closed", limit),
		Detail:  "Notifications are not delivered inside a transaction, nor to a client that does not read.",
		Hint:    "Keep transactions of listening clients short, or raise pool.max_notification_bytes.",
	})
}

// unlisten ends the client's listening to channels that the hub has for it.
func (s *Session) unlisten(channels ...string) {
	e := s.ears
	if e == nil {
		return
	}
	s.pool.hub.Leave(e, channels...)
	if e.remove(channels...) {
		s.ears = nil
		s.pool.listeners.Add(-1)
	}
}

// unlistenAll ends all of the client's listening by the hub.
func (s *Session) unlistenAll() {
	if s.ears != nil {
		s.unlisten(s.ears.names()...)
	}
}

// announce gives the client its notifications before it learns by a
// ReadyForQuery with that status that its transaction has ended.
func (x *exchange) announce(status byte) {
	if x.s.ears != nil && status == wire.Idle && x.toClient.pass == 0 {
		x.relate(x.s.ears)
	}
}
