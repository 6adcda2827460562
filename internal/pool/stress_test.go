// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// TestStress lets many clients on several loops do everything at once on pools
// that share budgets, while connections die, connects fail and limits change; it
// then checks that no connection was ever with two clients and nothing is left.
func TestStress(t *testing.T) {
	t.Parallel()
	s := &server{delay: 100 * time.Microsecond, limit: 7}
	all := pool.NewBudget(pool.BudgetConfig{Limit: 8, RegrowAfter: 5 * time.Millisecond})
	role := pool.NewBudget(pool.BudgetConfig{Limit: 5, RegrowAfter: 5 * time.Millisecond})
	tight := func(c *pool.Config[*conn]) {
		c.Max, c.Min, c.Loops = 4, 1, 4
		c.AcquireTimeout = 20 * time.Millisecond
		c.IdleTimeout = 2 * time.Millisecond
		c.Lifetime, c.LifetimeJitter = 10*time.Millisecond, 0.5
	}
	pools := []*pool.Pool[*conn]{
		pool.New(config(s, tight), all, role),
		pool.New(config(s, tight), role, all),
		pool.New(config(s, tight), all),
	}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() { live(t, pools[i%len(pools)], i%4) })
	}
	wg.Go(func() {
		for i := range 200 {
			all.SetLimit(2+i%7, "test")
			pools[i%3].Recycle()
			if pool.Take(role, all) {
				pool.Give(role, all)
			}
			for _, p := range pools {
				check(t, p.Status())
			}
		}
	})
	wg.Wait()
	closed(t, s, []*pool.Budget{all, role}, pools...)
}

// TestNoWaiterIsForgotten has pools compete for few places with no time-out to save
// a waiter that nobody remembers: it would hang.
func TestNoWaiterIsForgotten(t *testing.T) {
	t.Parallel()
	s := &server{}
	role, all := newBudget(2), newBudget(3)
	endless := func(c *pool.Config[*conn]) { c.Max, c.Loops, c.AcquireTimeout = 2, 4, 0 }
	pools := []*pool.Pool[*conn]{
		pool.New(config(s, endless), role, all),
		pool.New(config(s, endless), role, all),
		pool.New(config(s, endless), all),
		pool.New(config(s, endless), all),
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() { live(t, pools[i%len(pools)], i%4) })
	}
	wg.Wait()
	closed(t, s, []*pool.Budget{role, all}, pools...)
}

// live is the life of one client.
func live(t *testing.T, p *pool.Pool[*conn], loop int) {
	w := newClient(loop)
	for range 300 {
		c, ok := p.TryAcquire(loop, nil)
		if !ok {
			p.Wait(&w.Waiter)
			if rand.IntN(4) == 0 && p.Leave(&w.Waiter) {
				continue
			}
			e := <-w.ended
			if e.err != nil {
				if _, known := errors.AsType[*sqlstate.Error](e.err); !known {
					t.Errorf("refused with %v, want an error with an SQLSTATE", e.err)
				}
				continue
			}
			c = e.c
		}
		use(t, p, c, loop)
	}
	if len(w.ended) != 0 {
		t.Error("a wait ended twice")
	}
}

// use is one transaction.
func use(t *testing.T, p *pool.Pool[*conn], c *conn, loop int) {
	if c.held.Swap(true) {
		t.Error("a connection is with two clients")
	}
	c.loop.Store(int32(loop))
	c.held.Store(false)
	switch rand.IntN(20) {
	case 0:
		p.Discard(c, "out of step")
	case 1:
		p.Release(c)
		p.Lost(c, "end of file")
	case 2:
		c.dead.Store(true)
		p.Release(c)
	default:
		p.Release(c)
	}
}

// check fails for a status that adds up to more than is allowed.
func check(t *testing.T, s pool.Status) {
	t.Helper()
	if s.Idle < 0 || s.Active < 0 || s.Connecting < 0 || s.Waiting < 0 {
		t.Errorf("negative count: %+v", s)
	}
	if s.Idle+s.Active+s.Connecting > s.Max {
		t.Errorf("more connections than allowed: %+v", s)
	}
}
