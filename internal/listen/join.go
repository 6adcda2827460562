// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
)

// channel is one that somebody listens to.
type channel struct {
	members map[Subscriber]struct{}
	list    []Subscriber // the members; nil after a change, and never changed itself
	wanted  int          // members, and joins that are not in force yet
	heard   bool         // the connection listens to it
}

// subscribers returns the members for a notification.
func (c *channel) subscribers() []Subscriber {
	if c.list == nil {
		c.list = slices.Collect(maps.Keys(c.members))
	}
	return c.list
}

// join is a subscription that is not in force yet.
type join struct {
	who   Subscriber
	names []string
}

// errClosed is what callers get whose hub was closed.
var errClosed = errors.New("weir is shutting down")

// Ready waits until there is a connection that listens, which it has opened if
// need be. The error says why there is none when ctx ends.
func (h *Hub) Ready(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.awaitLocked(ctx, func() bool { return h.line != nil })
}

// Join waits until the connection listens to the channels, and returns a
// ticket. The subscription comes into force at a mark: the notification on the
// channel Marker whose payload is the ticket. All sessions get notifications in
// the same order, so another connection that also listens to the channels knows
// by the mark, to the notification, where the hub goes on.
//
// On an error, which says why the connection does not listen when ctx ends,
// nothing is subscribed.
func (h *Hub) Join(ctx context.Context, who Subscriber, names ...string) (ticket string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		h.wantLocked(name)
	}
	err = h.awaitLocked(ctx, func() bool { return h.line != nil && h.hearsLocked(names) })
	if err != nil {
		for _, name := range names {
			h.unwantLocked(name)
		}
		return "", err
	}
	h.tickets++
	ticket = strconv.FormatUint(h.tickets, 36)
	h.joins[ticket] = &join{who, slices.Clone(names)}
	return ticket, nil
}

// Leave ends the subscription of who to the channels, whether it is in force or
// not.
func (h *Hub) Leave(who Subscriber, names ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		if h.dropLocked(who, name) {
			h.unwantLocked(name)
		}
	}
}

// dropLocked takes who out of a channel, and reports whether it was in.
func (h *Hub) dropLocked(who Subscriber, name string) bool {
	c := h.channels[name]
	if c == nil {
		return false
	}
	if _, member := c.members[who]; member {
		delete(c.members, who)
		c.list = nil
		return true
	}
	for _, j := range h.joins {
		if i := slices.Index(j.names, name); i >= 0 && j.who == who {
			j.names = slices.Delete(j.names, i, i+1)
			return true
		}
	}
	return false
}

// activateLocked puts the subscription of a ticket into force. Tickets of other
// hubs mean nothing here.
func (h *Hub) activateLocked(ticket string) {
	j := h.joins[ticket]
	if j == nil {
		return
	}
	delete(h.joins, ticket)
	for _, name := range j.names {
		c := h.channels[name]
		c.members[j.who] = struct{}{}
		c.list = nil
	}
}

// wantLocked notes that one more wants the channel.
func (h *Hub) wantLocked(name string) {
	c := h.channels[name]
	if c == nil {
		c = &channel{members: make(map[Subscriber]struct{})}
		h.channels[name] = c
	}
	c.wanted++
	if c.wanted == 1 {
		h.wanted++
		h.changed[name] = struct{}{}
		h.wakeLocked()
	}
}

// unwantLocked notes that one less does.
func (h *Hub) unwantLocked(name string) {
	c := h.channels[name]
	c.wanted--
	if c.wanted == 0 {
		h.wanted--
		h.changed[name] = struct{}{}
		if h.line != nil {
			h.wakeLocked()
		}
		h.easeLocked()
	}
}

// hearsLocked reports whether the connection listens to all of the channels.
func (h *Hub) hearsLocked(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !h.channels[name].heard })
}

// awaitLocked waits for a condition that the hub's connection brings about.
func (h *Hub) awaitLocked(ctx context.Context, met func() bool) error {
	h.waiting++
	defer func() {
		h.waiting--
		h.easeLocked()
	}()
	for !met() {
		if h.closed {
			return errClosed
		}
		h.wakeLocked()
		news := h.news
		h.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
		}
		h.mu.Lock()
		if err := ctx.Err(); err != nil && !met() {
			return cmp.Or(h.failure, err)
		}
	}
	return nil
}

// easeLocked ends an attempt to connect that nobody needs any more: it must not
// take a place for nothing.
func (h *Hub) easeLocked() {
	if h.unusedLocked() && h.abandon != nil {
		h.abandon()
	}
}
