// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/pool"
)

func TestAHigherMaximumServesThoseWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Max = 2 }))
		clients := []*client{wait(p, 0), wait(p, 1), wait(p, 0), wait(p, 1), wait(p, 0)}
		synctest.Wait()
		if n := s.get(opened); n != 2 {
			t.Fatalf("open before: %d, want 2", n)
		}
		p.Reconfigure(config(s, func(c *pool.Config[*conn]) { c.Max = 5 }))
		synctest.Wait()
		for i, c := range clients {
			select {
			case e := <-c.ended:
				p.Release(e.c)
			default:
				t.Errorf("client %d still waits", i)
			}
		}
		closed(t, s, nil, p)
	})
}

func TestALowerMaximumClosesIdleConnectionsNowAndOthersLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Max = 5 }))
		var busy []*conn
		for range 5 {
			busy = append(busy, mustAcquire(t, p, 0))
		}
		p.Release(busy[0])
		p.Reconfigure(config(s, func(c *pool.Config[*conn]) { c.Max = 2 }))
		synctest.Wait()
		if n := s.get(opened); n != 4 {
			t.Errorf("open with four in use: %d, want 4", n)
		}
		for _, c := range busy[1:] {
			p.Release(c)
		}
		if st := p.Status(); st.Idle != 2 || st.Max != 2 {
			t.Errorf("%d idle of at most %d, want 2 of 2", st.Idle, st.Max)
		}
		closed(t, s, nil, p)
	})
}

func TestWaitsEndByTheNewTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Max = 1 }))
		c := mustAcquire(t, p, 0)
		w := wait(p, 0)
		p.Reconfigure(config(s, func(c *pool.Config[*conn]) { c.Max, c.AcquireTimeout = 1, time.Second }))
		began := time.Now()
		if e := <-w.ended; e.err == nil || time.Since(began) != time.Second {
			t.Errorf("the wait ended with %v after %v, want an error after 1s", e.err, time.Since(began))
		}
		p.Release(c)
		closed(t, s, nil, p)
	})
}

func TestOtherBudgetsCountConnectionsToCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		old := pool.NewBudget(pool.BudgetConfig{Name: "old", Limit: 1})
		own := pool.NewBudget(pool.BudgetConfig{Name: "new", Limit: 2})
		p := pool.New(config(s, nil), old)
		c := mustAcquire(t, p, 0)
		w := wait(p, 0) // hungry at the old budget
		synctest.Wait()
		p.Reconfigure(config(s, nil), own)
		p.Recycle()
		e := <-w.ended
		if o, n := old.Status(), own.Status(); o.InUse != 1 || n.InUse != 1 {
			t.Errorf("in use: %d of the old budget and %d of the new, want 1 and 1", o.InUse, n.InUse)
		}
		p.Release(c)
		if st := old.Status(); st.InUse != 0 {
			t.Errorf("the old budget still counts %d", st.InUse)
		}
		p.Release(e.c)
		closed(t, s, []*pool.Budget{old, own}, p)
	})
}

func TestReconfigureEndsADrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, nil))
		p.Drain()
		p.Reconfigure(config(s, func(c *pool.Config[*conn]) { c.Min = 3 }))
		synctest.Wait()
		if st := p.Status(); st.Idle != 3 || st.Draining {
			t.Errorf("%d idle, draining %v; want 3, false", st.Idle, st.Draining)
		}
		closed(t, s, nil, p)
	})
}
