// SPDX-License-Identifier: Apache-2.0

package web

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// slowAnswer is how long an answer may take before its connection makes room like
// those that ask nothing: longer than any that is read at once.
const slowAnswer = 2 * time.Second

// guests is a listener that bounds its connections, so that those that ask nothing,
// drip, or do not read take no descriptors from the gateway and no place from who
// asks for health.
type guests struct {
	net.Listener

	mu       sync.Mutex
	quiet    list.List // guarded by mu; of *guest that get no answer now, the oldest first
	answered list.List // guarded by mu; of *guest that do, since the oldest time first
}

// guest is one connection.
type guest struct {
	net.Conn
	guests *guests
	list   *list.List // guarded by guests.mu; that it is in; nil once it is gone
	place  *list.Element
	since  time.Time // guarded by guests.mu; when it came into its list
}

// Accept takes in a connection, for which another makes room.
func (g *guests) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := g.enter(conn); c != nil {
			return c, nil
		}
		_ = conn.Close() // all are being answered
	}
}

func (g *guests) enter(conn net.Conn) *guest {
	g.mu.Lock()
	var leaves *guest
	if g.quiet.Len()+g.answered.Len() >= MaxConns {
		if leaves = g.leavesLocked(); leaves == nil {
			g.mu.Unlock()
			return nil
		}
		leaves.moveLocked(nil)
	}
	c := &guest{Conn: conn, guests: g}
	c.moveLocked(&g.quiet)
	g.mu.Unlock()
	if leaves != nil {
		_ = leaves.Conn.Close()
	}
	return c
}

// leavesLocked is the connection that makes room, nil if none does.
func (g *guests) leavesLocked() *guest {
	if oldest := g.quiet.Front(); oldest != nil {
		return oldest.Value.(*guest)
	}
	if oldest := g.answered.Front().Value.(*guest); time.Since(oldest.since) > slowAnswer {
		return oldest
	}
	return nil
}

// moveLocked puts the connection at the end of a list, nil for none.
func (c *guest) moveLocked(to *list.List) {
	if c.list != nil {
		c.list.Remove(c.place)
	}
	c.list, c.since = to, time.Now()
	if to != nil {
		c.place = to.PushBack(c)
	}
}

// Close ends the connection.
func (c *guest) Close() error {
	c.guests.mu.Lock()
	c.moveLocked(nil)
	c.guests.mu.Unlock()
	return c.Conn.Close()
}

// move puts the connection into a list, unless it is gone.
func (c *guest) move(to *list.List) {
	c.guests.mu.Lock()
	defer c.guests.mu.Unlock()
	if c.list != nil {
		c.moveLocked(to)
	}
}

type guestKey struct{}

// know has the requests of a connection know which it is: http.Server.ConnContext.
func (g *guests) know(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, conn)
}

// serving has connections keep their places while handler answers.
func (g *guests) serving(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(guestKey{}).(*guest); ok {
			c.move(&g.answered)
			defer c.move(&g.quiet)
		}
		handler.ServeHTTP(w, r)
	})
}
