// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/pool"
)

func TestAcquirePrefersOwnLoopThenLastReleased(t *testing.T) {
	t.Parallel()
	s := &server{}
	p := pool.New(config(s, nil))
	var conns []*conn
	for i, loop := range []int{0, 0, 1} {
		c := mustAcquire(t, p, loop)
		c.loop.Store(int32([]int{0, 0, 1}[i]))
		conns = append(conns, c)
	}
	for _, c := range conns {
		p.Release(c)
	}
	for i, want := range []*conn{conns[1], conns[0], conns[2]} {
		got, ok := p.TryAcquire(0, nil)
		if !ok || got != want {
			t.Errorf("acquire %d: got %p %v, want %p", i, got, ok, want)
		}
	}
	if _, ok := p.TryAcquire(0, nil); ok {
		t.Error("acquired a connection that does not exist")
	}
	for _, c := range conns {
		p.Discard(c, "test over")
	}
	closed(t, s, nil, p)
}

func TestAcquireSkipsAndClosesTheUnfit(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*pool.Pool[*conn], *conn)
	}{
		{"dead", func(_ *pool.Pool[*conn], c *conn) { c.dead.Store(true) }},
		{"recycled", func(p *pool.Pool[*conn], _ *conn) { p.Recycle() }},
		{"lost", func(p *pool.Pool[*conn], c *conn) { p.Lost(c, "end of file") }},
		{"draining", func(p *pool.Pool[*conn], _ *conn) { p.Drain() }},
		{"expired", func(*pool.Pool[*conn], *conn) { time.Sleep(time.Hour) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Lifetime = time.Hour }))
				c := mustAcquire(t, p, 0)
				p.Release(c)
				tt.spoil(p, c)
				if _, ok := p.TryAcquire(0, nil); ok {
					t.Error("an unfit connection was handed out")
				}
				synctest.Wait()
				if n := s.get(opened); n != 0 {
					t.Errorf("open connections: got %d, want 0", n)
				}
				closed(t, s, nil, p)
			})
		})
	}
}

func TestReleaseClosesTheUnfit(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*pool.Pool[*conn], *conn)
	}{
		{"dead", func(_ *pool.Pool[*conn], c *conn) { c.dead.Store(true) }},
		{"recycled", func(p *pool.Pool[*conn], _ *conn) { p.Recycle() }},
		{"draining", func(p *pool.Pool[*conn], _ *conn) { p.Drain() }},
		{"closed", func(p *pool.Pool[*conn], _ *conn) { p.Close(errClosing) }},
		{"expired", func(*pool.Pool[*conn], *conn) { time.Sleep(time.Hour) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Lifetime = time.Hour }))
				c := mustAcquire(t, p, 0)
				tt.spoil(p, c)
				if n := s.get(opened); n != 1 {
					t.Errorf("a connection in use was closed")
				}
				p.Release(c)
				closed(t, s, nil, p)
			})
		})
	}
}

func TestNeedsCheckAfterLongIdleOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.CheckAfter = 10 * time.Second }))
		c := mustAcquire(t, p, 0)
		for _, tt := range []struct {
			idle time.Duration
			want bool
		}{{0, false}, {10*time.Second - 1, false}, {10 * time.Second, true}, {0, false}} {
			p.Release(c)
			time.Sleep(tt.idle)
			c = mustAcquire(t, p, 0)
			if got := c.Node().NeedsCheck(); got != tt.want {
				t.Errorf("idle %v: got %v, want %v", tt.idle, got, tt.want)
			}
		}
		fill := takeAll(t, p, 9)
		p.Release(c)
		time.Sleep(time.Minute)
		c = mustAcquire(t, p, 0)
		w := newClient(0)
		p.Wait(&w.Waiter)
		p.Release(c)
		if (<-w.ended).c.Node().NeedsCheck() {
			t.Error("a connection that went from client to client needs no check")
		}
		p.Release(c)
		releaseAll(p, fill)
		closed(t, s, nil, p)
	})
}

func TestReleaseTwicePanics(t *testing.T) {
	t.Parallel()
	s := &server{}
	p := pool.New(config(s, nil))
	c := mustAcquire(t, p, 0)
	p.Release(c)
	for name, again := range map[string]func(){
		"Release": func() { p.Release(c) },
		"Discard": func() { p.Discard(c, "again") },
	} {
		if !panics(again) {
			t.Errorf("%s of an idle connection did not panic", name)
		}
	}
	closed(t, s, nil, p) // the panic left no lock behind
}

func TestLostLeavesAConnectionInUseAlone(t *testing.T) {
	t.Parallel()
	s := &server{}
	p := pool.New(config(s, nil))
	c := mustAcquire(t, p, 0)
	if p.Lost(c, "end of file") {
		t.Error("Lost took a connection from its client")
	}
	p.Release(c)
	if !p.Lost(c, "end of file") {
		t.Error("Lost did not take an idle connection")
	}
	if p.Lost(c, "end of file") {
		t.Error("Lost took a connection twice")
	}
	closed(t, s, nil, p)
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// takeAll acquires n connections.
func takeAll(t *testing.T, p *pool.Pool[*conn], n int) []*conn {
	t.Helper()
	conns := make([]*conn, n)
	for i := range conns {
		conns[i] = mustAcquire(t, p, i%2)
	}
	return conns
}

func releaseAll(p *pool.Pool[*conn], conns []*conn) {
	for _, c := range conns {
		p.Release(c)
	}
}
