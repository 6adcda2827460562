// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/pool"
)

func TestVacatedPoolHasNoIdleConnectionsForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Min = 3 }))
		synctest.Wait()
		busy := mustAcquire(t, p, 0)
		p.Vacate()
		if n := s.get(opened); n != 1 {
			t.Errorf("after Vacate: got %d open, want the one in use", n)
		}
		p.Release(busy)
		again := mustAcquire(t, p, 0) // whoever comes is served all the same
		p.Release(again)
		time.Sleep(10*time.Second - time.Nanosecond)
		if n := s.get(opened); n != 0 {
			t.Errorf("in the meantime: got %d open, want 0", n)
		}
		time.Sleep(time.Second)
		if n := s.get(opened); n != 3 {
			t.Errorf("afterwards: got %d open, want the minimum of 3", n)
		}
		closed(t, s, nil, p)
	})
}

func TestRecycleEndsAVacancy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Min = 3 }))
		synctest.Wait()
		p.Vacate()
		p.Recycle()
		synctest.Wait()
		if n := s.get(opened); n != 3 {
			t.Errorf("got %d open, want the minimum of 3", n)
		}
		closed(t, s, nil, p)
	})
}
