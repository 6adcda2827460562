// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
)

func TestReserveTakesAPlaceThatIsFree(t *testing.T) {
	t.Parallel()
	role, all := newBudget(1), newBudget(2)
	if err := pool.Reserve(t.Context(), time.Second, role, all); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*pool.Budget{role, all} {
		if n := b.Status().InUse; n != 1 {
			t.Errorf("used: got %d, want 1", n)
		}
	}
	pool.Give(role, all)
	closed(t, &server{}, []*pool.Budget{role, all})
}

func TestReserveHasAnIdleConnectionClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		b := newBudget(1)
		p := pool.New(config(s, nil), b)
		p.Release(mustAcquire(t, p, 0))
		if err := pool.Reserve(t.Context(), time.Minute, b); err != nil {
			t.Fatal(err)
		}
		if n := s.get(opened); n != 0 {
			t.Errorf("connections of the pool: got %d, want 0", n)
		}
		pool.Give(b)
		closed(t, s, []*pool.Budget{b}, p)
	})
}

func TestReserveGetsAPlaceFromABusyPool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		b, pools := three(s, nil)
		done := make(chan struct{})
		for range 8 { // clients that never leave the pool idle
			go func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					c, err := acquire(pools[0], 0)
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(10 * time.Millisecond)
					pools[0].Release(c)
				}
			}()
		}
		time.Sleep(time.Second)
		began := time.Now()
		if err := pool.Reserve(t.Context(), time.Minute, b); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("waited %v", d)
		}
		pool.Give(b)
		close(done)
		time.Sleep(time.Second)
		closed(t, s, []*pool.Budget{b}, pools...)
	})
}

func TestReserveWaitsNoLongerThanAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1)
		if !pool.Take(b) {
			t.Fatal("no place in an empty budget")
		}
		began := time.Now()
		err := pool.Reserve(t.Context(), 3*time.Second, b)
		if d := time.Since(began); d != 3*time.Second {
			t.Errorf("waited %v, want 3 s", d)
		}
		e, ok := errors.AsType[*sqlstate.Error](err)
		if !ok || e.Code != sqlstate.TooManyConnections || e.Detail != `The request was not executed. role "app": 1 of 1 in use over all pools.` {
			t.Errorf("got %+v", err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		go cancel(errClosing)
		if err := pool.Reserve(ctx, 0, b); !errors.Is(err, errClosing) {
			t.Errorf("got %v, want the cause of the context's end", err)
		}
		pool.Give(b)
		closed(t, &server{}, []*pool.Budget{b})
	})
}

func TestReservesAreServedInTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1)
		if !pool.Take(b) {
			t.Fatal("no place in an empty budget")
		}
		served := make(chan int, 2)
		for i := range 2 {
			go func() {
				if err := pool.Reserve(t.Context(), time.Minute, b); err != nil {
					t.Error(err)
				}
				served <- i
			}()
			time.Sleep(time.Second)
		}
		pool.Give(b)
		synctest.Wait()
		if len(served) != 1 || <-served != 0 {
			t.Error("the place did not go to who came first, alone")
		}
		pool.Give(b)
		<-served
		pool.Give(b)
		closed(t, &server{}, []*pool.Budget{b})
	})
}
