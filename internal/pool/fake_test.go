// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// conn is an upstream connection without a socket.
type conn struct {
	node    pool.Node
	loop    atomic.Int32
	dead    atomic.Bool
	held    atomic.Bool // by a test's client: two holders at once are a defect
	server  *server
	born    time.Time
	address string
}

func (c *conn) Loop() int        { return int(c.loop.Load()) }
func (c *conn) Dead() bool       { return c.dead.Load() }
func (c *conn) Address() string  { return c.address }
func (c *conn) Node() *pool.Node { return &c.node }

func (c *conn) Close(string) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.server.ending != nil {
		c.server.ending()
	}
	c.server.open--
	c.server.closed = append(c.server.closed, c)
}

// server opens conns; it counts, delays and refuses as told.
type server struct {
	mu      sync.Mutex
	open    int
	most    int // the most that were open at once
	tries   int
	dials   int // being opened now
	burst   int // the most that were being opened at once
	closed  []*conn
	delay   time.Duration
	fail    error  // every connect fails with it
	address string // of new conns
	limit   int    // above it connects fail with errFull; zero is none
	ending  func() // called at the start of each Close; may be nil
}

var (
	errFull     = errors.New("too many connections for role (SQLSTATE 53300)")
	errDown     = errors.New("dial db.example:5432: connection refused")
	errPassword = errors.New("password authentication failed (SQLSTATE 28P01)")
)

func (s *server) connect(ctx context.Context, loop int) (*conn, error) {
	s.mu.Lock()
	s.tries++
	s.dials++
	s.burst = max(s.burst, s.dials)
	delay := s.delay
	s.mu.Unlock()
	var err error
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials--
	switch {
	case err != nil:
		return nil, err
	case s.fail != nil:
		return nil, s.fail
	case s.limit > 0 && s.open >= s.limit:
		return nil, errFull
	}
	s.open++
	s.most = max(s.most, s.open)
	c := &conn{server: s, born: time.Now(), address: s.address}
	c.loop.Store(int32(loop))
	return c, nil
}

// set changes the server's behaviour.
func (s *server) set(change func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// get reads a number of the server's.
func (s *server) get(number func(*server) int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return number(s)
}

func opened(s *server) int { return s.open }
func tries(s *server) int  { return s.tries }
func burst(s *server) int  { return s.burst }

// end is how a wait ended.
type end struct {
	c   *conn
	err error
}

// client waits in a pool's queue.
type client struct {
	pool.Waiter[*conn]
	ended chan end
}

func (c *client) Granted(conn *conn) { c.ended <- end{c: conn} }
func (c *client) Refused(err error)  { c.ended <- end{err: err} }

// newClient makes a client of the given loop. Its channel holds one more end than
// there may be, so that a second one is seen by a test and does not block the pool.
func newClient(loop int) *client {
	c := &client{ended: make(chan end, 2)}
	c.Loop, c.Owner = loop, c
	return c
}

// wait puts a new client into the queue.
func wait(p *pool.Pool[*conn], loop int) *client {
	c := newClient(loop)
	p.Wait(&c.Waiter)
	return c
}

// acquire is what a session does: try, else wait.
func acquire(p *pool.Pool[*conn], loop int) (*conn, error) {
	if c, ok := p.TryAcquire(loop, nil); ok {
		return c, nil
	}
	e := <-wait(p, loop).ended
	return e.c, e.err
}

// mustAcquire is acquire where it cannot fail.
func mustAcquire(t *testing.T, p *pool.Pool[*conn], loop int) *conn {
	t.Helper()
	c, err := acquire(p, loop)
	if err != nil {
		t.Fatalf("acquire: %v", err)
	}
	return c
}

// config is a pool on s; tests change what they are about.
func config(s *server, change func(*pool.Config[*conn])) pool.Config[*conn] {
	cfg := pool.Config[*conn]{
		Database: "db", User: "app", Max: 10, Source: "DATABASE_POOL_MAX", Loops: 2,
		AcquireTimeout: 30 * time.Second,
		Connect:        s.connect,
		Classify:       classify,
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func classify(err error) pool.Failure {
	switch {
	case errors.Is(err, errFull):
		return pool.Failure{Kind: pool.Full}
	case errors.Is(err, errPassword):
		return pool.Failure{Kind: pool.Rejected, Client: passwordError}
	case errors.Is(err, errLocal):
		return pool.Failure{Kind: pool.Local, Client: localError}
	}
	return pool.Failure{Kind: pool.Down}
}

var (
	errLocal   = errors.New("too many open files")
	localError = &sqlstate.Error{Code: sqlstate.TooManyConnections, Message: "weir has no file descriptor left", Routine: sqlstate.QueueTimeout}
)

var errClosing = errors.New("closing")

// closed closes the pools and checks that nothing is left of them.
func closed(t *testing.T, s *server, budgets []*pool.Budget, pools ...*pool.Pool[*conn]) {
	t.Helper()
	for _, p := range pools {
		p.Close(errClosing)
		st := p.Status()
		if st.Idle != 0 || st.Active != 0 || st.Connecting != 0 || st.Waiting != 0 {
			t.Errorf("closed pool is not empty: %+v", st)
		}
	}
	if n := s.get(opened); n != 0 {
		t.Errorf("connections left open: got %d, want 0", n)
	}
	for _, b := range budgets {
		if st := b.Status(); st.InUse != 0 || st.Hungry != 0 {
			t.Errorf("budget is not empty: %+v", st)
		}
	}
}
