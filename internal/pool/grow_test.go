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

var passwordError = &sqlstate.Error{
	Code:    sqlstate.InvalidPassword,
	Message: `password authentication failed for user "app"`,
}

func TestGrowthIsBoundedByNeedAndByMaxConnecting(t *testing.T) {
	tests := []struct {
		name                string
		waiters, connecting int
		burst, open         int
	}{
		{"one waiter", 1, 0, 1, 1},
		{"three waiters", 3, 0, 3, 3},
		{"more waiters than connects in flight", 8, 0, 4, 8},
		{"more waiters than places", 30, 0, 4, 10},
		{"two in flight", 8, 2, 2, 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &server{delay: time.Second}
				p := pool.New(config(s, func(c *pool.Config[*conn]) { c.MaxConnecting = tt.connecting }))
				var clients []*client
				for i := range tt.waiters {
					clients = append(clients, wait(p, i%2))
				}
				time.Sleep(10 * time.Second)
				if got := s.get(burst); got != tt.burst {
					t.Errorf("connects in flight: got %d, want %d", got, tt.burst)
				}
				if got := s.get(opened); got != tt.open {
					t.Errorf("open: got %d, want %d", got, tt.open)
				}
				for _, c := range clients {
					p.Release((<-c.ended).c)
				}
				closed(t, s, nil, p)
			})
		})
	}
}

func TestFreedConnectionGoesToAWaiterWhileItsConnectIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, nil))
		c := mustAcquire(t, p, 0)
		s.set(func(s *server) { s.delay = time.Minute })
		w := wait(p, 0)
		p.Release(c)
		synctest.Wait()
		select {
		case e := <-w.ended:
			p.Release(e.c)
		default:
			t.Fatal("the waiter was left to its connect")
		}
		time.Sleep(time.Hour)
		if st := p.Status(); st.Idle != 2 {
			t.Errorf("idle: got %d, want 2: the connect goes on", st.Idle)
		}
		closed(t, s, nil, p)
	})
}

func TestLeavingDoesNotEndTheConnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{delay: time.Second}
		p := pool.New(config(s, nil))
		w := wait(p, 0)
		p.Leave(&w.Waiter)
		time.Sleep(2 * time.Second)
		if st := p.Status(); st.Idle != 1 || st.Waiting != 0 {
			t.Errorf("got %+v, want one idle", st)
		}
		closed(t, s, nil, p)
	})
}

func TestConnectTimeoutEndsAConnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{delay: time.Hour}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.ConnectTimeout = 5 * time.Second }))
		wait(p, 0)
		time.Sleep(6 * time.Second)
		if st := p.Status(); !st.Failing || st.LastError == nil {
			t.Errorf("got %+v, want a failure", st)
		}
		closed(t, s, nil, p)
	})
}

func TestDownIsAnsweredAtTheEndOfTheWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errDown}
		p := pool.New(config(s, nil))
		began := time.Now()
		e := <-wait(p, 0).ended
		if got := time.Since(began); got != 30*time.Second {
			t.Errorf("waited %v, want 30s", got)
		}
		var err *sqlstate.Error
		if !errors.As(e.err, &err) || err.Code != sqlstate.ConnectionFailure {
			t.Fatalf("got %v, want 08006", e.err)
		}
		if want := "db.example:5432: connection refused"; !strings.Contains(err.Message, want) {
			t.Errorf("got %q, want it to contain %q", err.Message, want)
		}
		if n := s.get(tries); n < 60 || n > 90 {
			t.Errorf("tries in 30s: got %d, want one every 500 ms or little less", n)
		}
		if n := s.get(burst); n != 1 {
			t.Errorf("tries at once: got %d, want 1", n)
		}
		closed(t, s, nil, p)
	})
}

func TestDownBacksOffWhileNobodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errDown}
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Min = 2 }))
		time.Sleep(10 * time.Minute)
		if n := s.get(tries); n < 120 || n > 180 {
			t.Errorf("tries in 10 minutes: got %d, want one every 3.75 to 5 s", n)
		}
		closed(t, s, nil, p)
	})
}

func TestDownAndUpAgainServesEveryone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errDown}
		p := pool.New(config(s, nil))
		var clients []*client
		for i := range 20 {
			clients = append(clients, wait(p, i%2))
		}
		time.Sleep(10 * time.Second)
		s.set(func(s *server) { s.fail = nil })
		began := time.Now()
		for _, c := range clients {
			e := <-c.ended
			if e.err != nil {
				t.Fatal(e.err)
			}
			p.Release(e.c)
		}
		if d := time.Since(began); d > 500*time.Millisecond {
			t.Errorf("recovered after %v, want at most 500ms", d)
		}
		if p.Status().Failing {
			t.Error("still failing")
		}
		closed(t, s, nil, p)
	})
}

func TestRejectedIsAnsweredAtOnceWithoutARetryStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errPassword}
		p := pool.New(config(s, nil))
		began := time.Now()
		for range 1000 {
			if _, err := acquire(p, 0); !errors.Is(err, passwordError) {
				t.Fatalf("got %v, want %v", err, passwordError)
			}
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("the refusals took %v", d)
		}
		if n := s.get(tries); n != 1 {
			t.Errorf("tries: got %d, want 1", n)
		}
		for range 3600 {
			time.Sleep(time.Second)
			if _, err := acquire(p, 0); !errors.Is(err, passwordError) {
				t.Fatalf("got %v, want %v", err, passwordError)
			}
		}
		if n := s.get(tries); n < 3600/16 || n > 3600/11 {
			t.Errorf("tries in an hour of requests: got %d, want one every 11 to 16 s", n)
		}
		s.set(func(s *server) { s.fail = nil })
		time.Sleep(15 * time.Second)
		p.Release(mustAcquire(t, p, 0))
		closed(t, s, nil, p)
	})
}

func TestRejectedLeavesOpenConnectionsInService(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := pool.New(config(s, nil))
		c := mustAcquire(t, p, 0)
		s.set(func(s *server) { s.fail = errPassword })
		w := wait(p, 0)
		time.Sleep(time.Second)
		p.Release(c)
		e := <-w.ended
		if e.err != nil {
			t.Fatalf("got %v, want the open connection", e.err)
		}
		w = wait(p, 0)
		synctest.Wait()
		p.Discard(e.c, "lost")
		if e := <-w.ended; !errors.Is(e.err, passwordError) {
			t.Errorf("got %v, want %v once nothing is open", e.err, passwordError)
		}
		closed(t, s, nil, p)
	})
}

func TestRecycleForgetsARejection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errPassword}
		p := pool.New(config(s, nil))
		if _, err := acquire(p, 0); !errors.Is(err, passwordError) {
			t.Fatalf("got %v, want %v", err, passwordError)
		}
		s.set(func(s *server) { s.fail = nil })
		p.Recycle()
		p.Release(mustAcquire(t, p, 0))
		closed(t, s, nil, p)
	})
}

func TestRecycleWhileConnecting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{delay: time.Second, fail: errPassword}
		p := pool.New(config(s, nil))
		w := wait(p, 0)
		time.Sleep(500 * time.Millisecond)
		p.Recycle()
		time.Sleep(time.Second - 1) // the old password has failed, the new one is on its way
		s.set(func(s *server) { s.fail = nil })
		e := <-w.ended
		if e.err != nil {
			t.Fatalf("got %v: the old password's failure ended a wait for the new one", e.err)
		}
		p.Release(e.c)
		closed(t, s, nil, p)
	})
}
