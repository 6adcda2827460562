// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// single is a pool of one connection, which is in use.
func single(t *testing.T, change func(*pool.Config[*conn])) (*server, *pool.Pool[*conn], *conn) {
	t.Helper()
	s := &server{}
	p := pool.New(config(s, func(c *pool.Config[*conn]) {
		c.Max = 1
		if change != nil {
			change(c)
		}
	}))
	return s, p, mustAcquire(t, p, 0)
}

func TestReleaseServesOwnLoopFirstWhileTheOldestHasWaitedAMoment(t *testing.T) {
	tests := []struct {
		name   string
		waited time.Duration // by the oldest, of the other loop
		want   int           // the loop served first
	}{
		{"a moment", time.Millisecond, 0},
		{"long", 2 * time.Millisecond, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, p, c := single(t, nil)
				clients := []*client{1: wait(p, 1)}
				time.Sleep(tt.waited)
				clients[0] = wait(p, 0)
				for _, loop := range []int{tt.want, 1 - tt.want} {
					p.Release(c)
					select {
					case e := <-clients[loop].ended:
						c = e.c
					default:
						t.Fatalf("loop %d was not served in its turn", loop)
					}
				}
				p.Release(c)
				closed(t, s, nil, p)
			})
		})
	}
}

func TestQueueIsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p, c := single(t, nil)
		var clients []*client
		for i := range 6 {
			clients = append(clients, wait(p, i%2))
			time.Sleep(5 * time.Millisecond)
		}
		if !p.Leave(&clients[2].Waiter) || p.Leave(&clients[2].Waiter) {
			t.Error("a waiter leaves once")
		}
		for _, i := range []int{0, 1, 3, 4, 5} {
			p.Release(c)
			select {
			case <-clients[i].ended:
			default:
				t.Fatalf("client %d was not served in its turn", i)
			}
		}
		p.Release(c)
		closed(t, s, nil, p)
	})
}

func TestNobodyOvertakesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{delay: time.Second}
		p := pool.New(config(s, nil))
		first := wait(p, 0)
		if _, ok := p.TryAcquire(0, nil); ok {
			t.Error("a newcomer overtook a waiter")
		}
		p.Release((<-first.ended).c)
		closed(t, s, nil, p)
	})
}

func TestLeaveFailsOnceGranted(t *testing.T) {
	t.Parallel()
	s, p, c := single(t, nil)
	w := wait(p, 1)
	p.Release(c)
	if p.Leave(&w.Waiter) {
		t.Error("left although granted")
	}
	p.Release((<-w.ended).c)
	closed(t, s, nil, p)
}

func TestWaiterIsReusable(t *testing.T) {
	t.Parallel()
	s, p, c := single(t, nil)
	w := newClient(0)
	for range 3 {
		p.Wait(&w.Waiter)
		p.Release(c)
		c = (<-w.ended).c
	}
	p.Release(c)
	p.Wait(&w.Waiter) // one is idle: granted from within
	p.Release((<-w.ended).c)
	closed(t, s, nil, p)
}

func TestWaitEndsAtAcquireTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p, c := single(t, func(c *pool.Config[*conn]) {
			c.Oldest = func() string { return `the oldest transaction has run 40s, application_name "report"` }
		})
		began := time.Now()
		first := wait(p, 0)
		time.Sleep(10 * time.Second)
		second := wait(p, 1)
		e := <-first.ended
		if got := time.Since(began); got != 30*time.Second {
			t.Errorf("waited %v, want 30s", got)
		}
		var err *sqlstate.Error
		if !errors.As(e.err, &err) || err.Code != sqlstate.TooManyConnections || err.Routine != sqlstate.QueueTimeout {
			t.Fatalf("got %v, want 53300 of weir's own", e.err)
		}
		for _, part := range []struct{ field, text, want string }{
			{"message", err.Message, `query_wait_timeout: too many connections for role "app": weir refused the request because no connection to PostgreSQL became free within 30s: `},
			{"detail", err.Detail, `pool "db" as "app": 1 of 1 in use, 0 being opened, 2 waiting`},
			{"detail", err.Detail, `application_name "report"`},
			{"hint", err.Hint, "DATABASE_POOL_MAX"},
		} {
			if !strings.Contains(part.text, part.want) {
				t.Errorf("%s: got %q, want it to contain %q", part.field, part.text, part.want)
			}
		}
		<-second.ended
		if got := time.Since(began); got != 40*time.Second {
			t.Errorf("the second waited until %v, want 40s", got)
		}
		if p.Leave(&first.Waiter) {
			t.Error("left although refused")
		}
		p.Release(c)
		closed(t, s, nil, p)
	})
}

func TestCloseRefusesWaitersAndNewcomers(t *testing.T) {
	t.Parallel()
	s, p, c := single(t, nil)
	w := wait(p, 0)
	p.Close(errClosing)
	if e := <-w.ended; !errors.Is(e.err, errClosing) {
		t.Errorf("waiter: got %v, want %v", e.err, errClosing)
	}
	if e := <-wait(p, 0).ended; !errors.Is(e.err, errClosing) {
		t.Errorf("newcomer: got %v, want %v", e.err, errClosing)
	}
	p.Release(c)
	closed(t, s, nil, p)
}

func TestDrainServesThoseWhoWait(t *testing.T) {
	t.Parallel()
	s, p, c := single(t, func(c *pool.Config[*conn]) { c.Min = 1 })
	w := wait(p, 0)
	p.Drain()
	p.Release(c)
	p.Release((<-w.ended).c)
	if n := s.get(opened); n != 0 {
		t.Errorf("open connections after draining: got %d, want 0", n)
	}
	closed(t, s, nil, p)
}

func TestCloseEndsConnectsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{delay: time.Hour}
		p := pool.New(config(s, nil))
		w := wait(p, 0)
		began := time.Now()
		closed(t, s, nil, p)
		if d := time.Since(began); d != 0 {
			t.Errorf("Close took %v", d)
		}
		if e := <-w.ended; !errors.Is(e.err, errClosing) {
			t.Errorf("got %v, want %v", e.err, errClosing)
		}
	})
}

// TestAWaitForNoClientIsBehindClients has weir itself wait beside clients.
func TestAWaitForNoClientIsBehindClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p, c := single(t, func(cfg *pool.Config[*conn]) { cfg.Max = 2 })
		own := newClient(0)
		own.Own = true
		p.Wait(&own.Waiter)
		synctest.Wait()
		if st := p.Status(); st.Waiting != 0 || st.OldestWait != 0 || s.get(opened) != 1 {
			t.Fatalf("got %+v and %d connections, want nobody to wait and none to be opened", st, s.get(opened))
		}
		other := mustAcquire(t, p, 0)
		first := wait(p, 1)
		p.Release(c)
		c = (<-first.ended).c // although it came later
		second := wait(p, 1)
		time.Sleep(time.Second)
		p.Release(c)
		c = (<-own.ended).c // it has waited long enough
		p.Release(c)
		p.Release((<-second.ended).c)
		p.Release(other)

		own = newClient(0)
		own.Own = true
		a, b := mustAcquire(t, p, 0), mustAcquire(t, p, 0)
		p.Wait(&own.Waiter)
		p.Release(a) // nobody else waits
		p.Release((<-own.ended).c)
		p.Release(b)
		closed(t, s, nil, p)
	})
}
