// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/pool"
)

// crowd runs clients over the pools in turn, each with the given number of
// transactions of a millisecond, and fails for each that is not served.
func crowd(t *testing.T, clients, transactions int, pools ...*pool.Pool[*conn]) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range clients {
		p := pools[i%len(pools)]
		wg.Go(func() {
			for range transactions {
				c, err := acquire(p, i%2)
				if err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Millisecond)
				p.Release(c)
			}
		})
	}
	wg.Wait()
}

// three are the pools of three databases under one budget of two.
func three(s *server, change func(*pool.Config[*conn])) (*pool.Budget, []*pool.Pool[*conn]) {
	b := newBudget(2)
	var pools []*pool.Pool[*conn]
	for range 3 {
		pools = append(pools, pool.New(config(s, change), b))
	}
	return b, pools
}

func TestThreeDatabasesOnABudgetOfTwo(t *testing.T) {
	tests := []struct {
		name    string
		clients int
		min     int
	}{
		{"a client each", 3, 0},
		{"a crowd each", 60, 0},
		{"minimums yield", 60, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{delay: 5 * time.Millisecond}
				b, pools := three(s, func(c *pool.Config[*conn]) { c.Min = tt.min })
				crowd(t, tt.clients, 200, pools...)
				if n := s.get(func(s *server) int { return s.most }); n > 2 {
					t.Errorf("most open: got %d, want 2", n)
				}
				// A place that changes hands costs a connect: most transactions must not.
				if n, of := s.get(tries), tt.clients*200; n > of/10 {
					t.Errorf("connects: got %d for %d transactions", n, of)
				}
				closed(t, s, []*pool.Budget{b}, pools...)
			})
		})
	}
}

func TestABusyPoolGivesUpAPlaceForTheLongestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{delay: 5 * time.Millisecond}
		b, pools := three(s, nil)
		done := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 40 { // two databases with more clients than connections, all the time
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					c, err := acquire(pools[i%2], i%2)
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(10 * time.Millisecond)
					pools[i%2].Release(c)
				}
			})
		}
		time.Sleep(time.Second)
		for range 20 {
			began := time.Now()
			c := mustAcquire(t, pools[2], 0)
			// Their queues are some 200 ms deep; first come, first served over all pools.
			if d := time.Since(began); d > 500*time.Millisecond {
				t.Errorf("the third database waited %v", d)
			}
			pools[2].Release(c)
			time.Sleep(100 * time.Millisecond)
		}
		close(done)
		wg.Wait()
		closed(t, s, []*pool.Budget{b}, pools...)
	})
}

func TestIdleConnectionIsClosedForAnotherPoolsWaiter(t *testing.T) {
	tests := []struct {
		name string
		idle time.Duration
		want time.Duration // until the waiter is served
	}{
		{"idle for long", time.Second, 0},
		{"in use a moment ago", 5 * time.Millisecond, 20 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				b, pools := three(s, nil)
				releaseAll(pools[0], takeAll(t, pools[0], 2))
				time.Sleep(tt.idle)
				began := time.Now()
				c := mustAcquire(t, pools[1], 0)
				if got := time.Since(began); got != tt.want {
					t.Errorf("served after %v, want %v", got, tt.want)
				}
				if st := pools[0].Status(); st.Idle != 1 {
					t.Errorf("the other pool: got %d idle, want 1", st.Idle)
				}
				pools[1].Release(c)
				closed(t, s, []*pool.Budget{b}, pools...)
			})
		})
	}
}

func TestSurplusIsClosedBeforeAMinimum(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		b := newBudget(3)
		kept := pool.New(config(s, func(c *pool.Config[*conn]) { c.Min = 2 }), b)
		synctest.Wait()
		time.Sleep(time.Second)
		spare := pool.New(config(s, nil), b)
		spare.Release(mustAcquire(t, spare, 0))
		time.Sleep(time.Second)
		third := pool.New(config(s, nil), b)
		conns := takeAll(t, third, 1)
		if got := [2]int{kept.Status().Idle, spare.Status().Idle}; got != [2]int{2, 0} {
			t.Errorf("idle: got %v, want the surplus gone and the minimum kept", got)
		}
		conns = append(conns, takeAll(t, third, 2)...)
		if n := kept.Status().Idle; n != 0 {
			t.Errorf("idle: got %d, want the minimum to yield to clients", n)
		}
		releaseAll(third, conns)
		third.Close(errClosing)
		time.Sleep(2 * time.Second)
		if n := kept.Status().Idle; n != 2 {
			t.Errorf("idle: got %d, want the minimum back once there is room", n)
		}
		closed(t, s, []*pool.Budget{b}, kept, spare, third)
	})
}

func TestAFailedConnectEndsThePoolsHunger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		good, bad := &server{}, &server{fail: errFull, delay: time.Second}
		b := newBudget(2)
		working := pool.New(config(good, nil), b)
		c := mustAcquire(t, working, 0)
		failing := pool.New(config(bad, nil), b)
		waiters := []*client{wait(failing, 0), wait(failing, 1)} // one connects, one finds the budget full
		if n := b.Status().Hungry; n != 1 {
			t.Errorf("hungry: got %d, want 1", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := b.Status().Hungry; n != 0 {
			t.Errorf("hungry after the failure: got %d, want 0", n)
		}
		for _, w := range waiters {
			failing.Leave(&w.Waiter)
		}
		working.Release(c)
		closed(t, good, nil, working)
		closed(t, bad, []*pool.Budget{b}, failing)
	})
}

func TestAPoolThatCannotConnectCostsOthersOneConnectATry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		good, bad := &server{}, &server{fail: errDown}
		b := newBudget(2)
		working := pool.New(config(good, nil), b)
		failing := pool.New(config(bad, nil), b)
		w := wait(failing, 0)
		crowd(t, 2, 1000, working)
		if n, most := good.get(tries), 2+bad.get(tries); n > most {
			t.Errorf("connects of the working pool: got %d, want %d at most", n, most)
		}
		failing.Leave(&w.Waiter)
		closed(t, good, nil, working)
		closed(t, bad, []*pool.Budget{b}, failing)
	})
}
