// SPDX-License-Identifier: Apache-2.0

// Package listen is the one connection with which the clients of a database and
// role listen to notifications: the hub. It knows channels and who subscribes
// to them, and nothing of sessions. Source: PostgreSQL documentation, LISTEN
// and NOTIFY; src/backend/commands/async.c.
package listen

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/weir-pg/weir/internal/upstream"
)

// Options is what a hub is made of.
type Options struct {
	Name string // of the pool, for the log
	// Claim waits for a place for the connection, and Release gives it back.
	Claim   func(ctx context.Context) error
	Release func()
	// Connect opens the connection. The hub closes it.
	Connect func(ctx context.Context) (*upstream.Login, error)
	// Sender returns the process id that clients know for the backend pid at
	// address, pid itself where they know it by no other.
	Sender func(address string, pid uint32) uint32
	// Linger is how long the connection stays open when nobody listens; 0 is
	// for as long as the hub.
	Linger time.Duration
	Logger *slog.Logger
}

// Subscriber is told of notifications.
type Subscriber interface {
	// Notify is called on the hub's goroutine, and must not block. Another that
	// was on its way may come after Leave.
	Notify(n *Notification)
}

// Hub is the shared listening connection of a pool: opened when it is first
// wanted, closed some time after nobody listens any more, and opened again when
// it is lost. Its methods may be called from any goroutine; only those with a
// context wait.
type Hub struct {
	// Fixed after New.
	options Options
	marker  string // the channel of the marks, see Join
	ctx     context.Context
	cancel  context.CancelFunc
	kick    chan struct{} // holds one: there is something to do
	ended   sync.WaitGroup

	mu       sync.Mutex
	channels map[string]*channel // guarded by mu
	changed  map[string]struct{} // guarded by mu; channels that the connection may have to be told of
	wanted   int                 // guarded by mu; channels that somebody wants
	joins    map[string]*join    // guarded by mu; by ticket
	tickets  uint64              // guarded by mu; how many were given
	fences   []func()            // guarded by mu; not sent yet
	waiting  int                 // guarded by mu; callers who wait for the connection
	line     *line               // guarded by mu; nil while there is no connection that listens
	news     chan struct{}       // guarded by mu; closed, and replaced, when waiters should look again
	failure  error               // guarded by mu; why the last connection failed, nil after a success
	abandon  context.CancelFunc  // guarded by mu; ends an attempt to connect; nil while there is none
	running  bool                // guarded by mu; the goroutine of run exists
	vacated  bool                // guarded by mu; the connection is to be closed if nobody listens
	closed   bool                // guarded by mu
}

// New makes a hub without a connection. Close ends it.
func New(o Options) *Hub {
	h := &Hub{
		options:  o,
		marker:   "weir_" + rand.Text(),
		kick:     make(chan struct{}, 1),
		channels: make(map[string]*channel),
		changed:  make(map[string]struct{}),
		joins:    make(map[string]*join),
		news:     make(chan struct{}),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Close closes the connection and returns when the hub's goroutines have ended.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	h.tellLocked()
	h.mu.Unlock()
	h.cancel()
	h.ended.Wait()
}

// Vacate closes the connection now, without Linger, unless somebody listens.
func (h *Hub) Vacate() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running && h.unusedLocked() {
		h.vacated = true
		h.wakeLocked()
	}
}

// Up reports whether there is a connection that listens.
func (h *Hub) Up() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.line != nil
}

// Marker is the channel of the marks that Join speaks of.
func (h *Hub) Marker() string { return h.marker }

// Status is a hub at one moment.
type Status struct {
	Open     bool   // it has, or is opening, a connection, and a place for it
	Channels int    // that somebody listens to
	PID      uint32 // of the connection's backend, 0 while there is none
}

// Status returns the hub as it is now.
func (h *Hub) Status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Status{Open: h.running, Channels: h.wanted}
	if h.line != nil {
		s.PID = h.line.PID
	}
	return s
}

// wakeLocked has run look for something to do; it is started if need be.
func (h *Hub) wakeLocked() {
	if !h.running && !h.closed {
		h.running = true
		h.ended.Go(h.run)
	}
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// tellLocked has everybody who waits look again.
func (h *Hub) tellLocked() {
	close(h.news)
	h.news = make(chan struct{})
}

// Speaks reports whether a session with these parameters, as PostgreSQL reports
// them, reads text in the encoding in which the hub gets it.
func (h *Hub) Speaks(params map[string]string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.line == nil || params["server_encoding"] == "SQL_ASCII" { // which is never converted
		return true
	}
	return h.line.Params["client_encoding"] == params["client_encoding"]
}
