// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/pool"
)

func TestIdleConnectionsAboveTheMinimumAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Min, c.IdleTimeout = 2, 30*time.Second }))
		releaseAll(p, takeAll(t, p, 6))
		time.Sleep(30*time.Second - time.Nanosecond)
		if n := s.get(opened); n != 6 {
			t.Errorf("before the time-out: got %d open, want 6", n)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n := s.get(opened); n != 2 {
			t.Errorf("after the time-out: got %d open, want 2", n)
		}
		tried := s.get(tries)
		time.Sleep(time.Hour)
		if n := s.get(opened); n != 2 {
			t.Errorf("an hour later: got %d open, want 2", n)
		}
		if n := s.get(tries); n != tried {
			t.Errorf("connects in that hour: got %d, want none", n-tried)
		}
		closed(t, s, nil, p)
	})
}

func TestTheLongestIdleIsClosedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Min, c.IdleTimeout = 1, 30*time.Second }))
		conns := takeAll(t, p, 2)
		conns[0].loop.Store(0)
		conns[1].loop.Store(1)
		p.Release(conns[1])
		time.Sleep(time.Second)
		p.Release(conns[0])
		time.Sleep(time.Hour)
		if c := mustIdle(t, p); c != conns[0] {
			t.Error("the connection that was used last was closed")
		}
		closed(t, s, nil, p)
	})
}

func TestMinimumIsSpreadOverTheLoops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Min = 4 }))
		synctest.Wait()
		var on [2]int
		conns := takeAll(t, p, 4)
		for _, c := range conns {
			on[c.Loop()]++
		}
		if on != [2]int{2, 2} {
			t.Errorf("connections by loop: got %v, want 2 each", on)
		}
		releaseAll(p, conns)
		closed(t, s, nil, p)
	})
}

func TestABusyConnectionIsNotIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.IdleTimeout = 30 * time.Second }))
		conns := takeAll(t, p, 3)
		releaseAll(p, conns)
		for range 100 {
			time.Sleep(time.Second)
			p.Release(mustAcquire(t, p, 1))
		}
		if n := s.get(opened); n != 1 {
			t.Errorf("open: got %d, want 1: the top of the stack is used, the rest grow old", n)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := s.get(opened); n != 0 {
			t.Errorf("open: got %d, want 0", n)
		}
		closed(t, s, nil, p)
	})
}

func TestLifetimeIsJitteredAndInItsUnit(t *testing.T) {
	t.Parallel()
	const lifetime = time.Hour
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) {
			c.Max, c.Lifetime, c.LifetimeJitter = 100, lifetime, 0.1
		}))
		releaseAll(p, takeAll(t, p, 100))
		began := time.Now()
		ages := make(map[time.Duration]bool)
		for s.get(opened) > 0 && time.Since(began) < 2*lifetime {
			time.Sleep(time.Second)
			synctest.Wait()
			s.set(func(s *server) {
				for _, c := range s.closed {
					age := time.Since(c.born)
					if age < lifetime*9/10 || age > lifetime+time.Second {
						t.Errorf("a connection lived %v, want 54 to 60 minutes", age)
					}
					ages[age] = true
				}
				s.closed = nil
			})
		}
		if len(ages) < 50 {
			t.Errorf("100 connections ended at %d different times, want them spread", len(ages))
		}
		closed(t, s, nil, p)
	})
}

func TestLifetimeZeroIsUnlimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.LifetimeJitter = 0.5 }))
		c := mustAcquire(t, p, 0)
		p.Release(c)
		time.Sleep(10 * 365 * 24 * time.Hour)
		if got := mustAcquire(t, p, 0); got != c {
			t.Error("the connection was replaced")
		}
		p.Release(c)
		closed(t, s, nil, p)
	})
}

func TestMinimumIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Min, c.Lifetime = 3, time.Minute }))
		synctest.Wait()
		check := func(when string) {
			t.Helper()
			synctest.Wait()
			if n := s.get(opened); n != 3 {
				t.Errorf("%s: got %d open, want 3", when, n)
			}
		}
		check("at start")
		p.Lost(mustIdle(t, p), "end of file")
		check("after a loss")
		p.Discard(mustAcquire(t, p, 0), "out of step")
		check("after a discard")
		time.Sleep(time.Hour)
		check("after many lifetimes")
		p.Recycle()
		check("after recycling")
		closed(t, s, nil, p)
	})
}

// mustIdle returns a connection that is idle in p.
func mustIdle(t *testing.T, p *pool.Pool[*conn]) *conn {
	t.Helper()
	c, ok := p.TryAcquire(0, nil)
	if !ok {
		t.Fatal("no idle connection")
	}
	p.Release(c)
	return c
}
