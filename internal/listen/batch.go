// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"strings"

	"github.com/weir-pg/weir/internal/wire"
)

// batch is what the connection is asked in one go.
type batch struct {
	listen, unlisten []string
	fences           []func()
}

// largestBatch bounds the channels of a batch: LISTEN to each takes PostgreSQL
// the longer the more there are.
const largestBatch = 1000

func (b *batch) empty() bool { return len(b.listen)+len(b.unlisten)+len(b.fences) == 0 }

// sql is the batch as one query; that of fences alone is empty.
func (b *batch) sql() string {
	var sql strings.Builder
	for _, name := range b.listen {
		sql.WriteString("LISTEN " + quote(name) + ";")
	}
	for _, name := range b.unlisten {
		sql.WriteString("UNLISTEN " + quote(name) + ";")
	}
	return sql.String()
}

// next takes from the hub what has to be done.
func (h *Hub) next() (b batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range h.changed {
		if len(b.listen)+len(b.unlisten) == largestBatch {
			break
		}
		delete(h.changed, name)
		c := h.channels[name]
		switch {
		case c == nil:
		case c.wanted > 0 && !c.heard:
			b.listen = append(b.listen, name)
		case c.wanted == 0 && c.heard:
			c.heard = false // from now on: who joins before the answer has to wait for a LISTEN
			b.unlisten = append(b.unlisten, name)
		case c.wanted == 0:
			delete(h.channels, name)
		}
	}
	b.fences, h.fences = h.fences, nil
	return b
}

// done takes in how the batch ended. A failure is the end of the connection.
func (h *Hub) done(b batch, err error) {
	h.mu.Lock()
	for _, name := range b.listen {
		h.channels[name].heard = err == nil
		h.changed[name] = struct{}{} // it may have been left since
	}
	for _, name := range b.unlisten {
		h.changed[name] = struct{}{} // it may have been joined since
	}
	if err != nil {
		h.failure = err
	}
	h.tellLocked()
	h.mu.Unlock()
	for _, f := range b.fences {
		f()
	}
}

// notified passes on what a connection was sent.
func (h *Hub) notified(l *line, message []byte) {
	pid, name, payload, err := ReadNotification(message[wire.HeaderSize:])
	if err != nil {
		return
	}
	h.mu.Lock()
	if string(name) == h.marker {
		h.activateLocked(string(payload))
		h.mu.Unlock()
		return
	}
	var subscribers []Subscriber
	if c := h.channels[string(name)]; c != nil {
		subscribers = c.subscribers()
	}
	h.mu.Unlock()
	if len(subscribers) == 0 {
		return
	}
	n := newNotification(message, h.options.Sender(l.Address, pid), name)
	for _, s := range subscribers {
		s.Notify(n)
	}
}
