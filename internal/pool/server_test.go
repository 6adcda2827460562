// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// fleet makes n pools of one server.
func fleet(s *server, n int, shared *pool.Server, change func(*pool.Config[*conn])) (pools []*pool.Pool[*conn]) {
	for range n {
		pools = append(pools, pool.New(config(s, func(c *pool.Config[*conn]) {
			c.Server = shared
			if change != nil {
				change(c)
			}
		})))
	}
	return pools
}

func TestConnectsOfAllPoolsOfAServerAreBoundedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{delay: time.Second}
		pools := fleet(s, 20, pool.NewServer(pool.ServerConfig{}), nil)
		var clients []*client
		for range 4 {
			for _, p := range pools {
				clients = append(clients, wait(p, 0))
			}
		}
		began := time.Now()
		for i, c := range clients {
			pools[i%20].Release((<-c.ended).c)
		}
		if n := s.get(burst); n != 8 {
			t.Errorf("connects at once: got %d, want 8", n)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("80 clients of 20 pools were served after %v, want 10s", d)
		}
		closed(t, s, nil, pools...)
	})
}

func TestOneProbeForAllPoolsOfAServerThatIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errDown, delay: 10 * time.Millisecond}
		var log bytes.Buffer
		shared := pool.NewServer(pool.ServerConfig{Name: "db.example:5432", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		pools := fleet(s, 20, shared, nil)
		var clients []*client
		for _, p := range pools {
			clients = append(clients, wait(p, 0))
		}
		time.Sleep(time.Second)
		s.set(func(s *server) { s.tries, s.burst = 0, 0 })
		time.Sleep(10 * time.Second)
		if n := s.get(tries); n < 18 || n > 28 {
			t.Errorf("tries in 10s: got %d, want one every 375 to 500 ms", n)
		}
		if n := s.get(burst); n != 1 {
			t.Errorf("tries at once: got %d, want 1", n)
		}
		if st := shared.Status(); st.Since.IsZero() || st.Tries < 18 || !errors.Is(st.Error, errDown) || st.Outages != 1 {
			t.Errorf("got %+v, want an outage", st)
		}
		s.set(func(s *server) { s.fail = nil })
		began := time.Now()
		for i, c := range clients {
			pools[i].Release((<-c.ended).c)
		}
		if d := time.Since(began); d > 750*time.Millisecond {
			t.Errorf("all were served after %v, want 750ms at most", d)
		}
		closed(t, s, nil, pools...)
		text := log.String()
		if strings.Count(text, "takes no connections") != 1 || strings.Count(text, "PostgreSQL is back") != 1 || !strings.Contains(text, "db.example:5432") {
			t.Errorf("the log is to say once that the server went and once that it came:\n%s", text)
		}
		if st := shared.Status(); !st.Since.IsZero() || st.Down < 11*time.Second || st.Down > 12*time.Second {
			t.Errorf("got %+v, want 11 to 12 s down", st)
		}
	})
}

func TestConnectionsReturnAtABoundedRateAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errDown}
		pools := fleet(s, 20, pool.NewServer(pool.ServerConfig{}), func(c *pool.Config[*conn]) { c.Min = 10 })
		time.Sleep(time.Minute)
		s.set(func(s *server) { s.fail, s.tries = nil, 0 })
		for s.get(tries) == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(500 * time.Millisecond)
		if n := s.get(tries); n < 50 || n > 60 {
			t.Errorf("connects in the first half second: got %d, want 1, 8 at once, and 50 at the rate", n)
		}
		time.Sleep(2 * time.Second)
		if n := s.get(opened); n != 200 {
			t.Errorf("open: got %d, want all 200", n)
		}
		closed(t, s, nil, pools...)
	})
}

func TestAServerIsProbedAlthoughNobodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errDown}
		shared := pool.NewServer(pool.ServerConfig{})
		pools := fleet(s, 3, shared, nil)
		w := wait(pools[0], 0)
		pools[0].Leave(&w.Waiter)
		time.Sleep(time.Minute)
		s.set(func(s *server) { s.fail = nil })
		time.Sleep(5 * time.Second)
		if st := shared.Status(); !st.Since.IsZero() {
			t.Errorf("got %+v, want it back", st)
		}
		if n := s.get(opened); n != 1 {
			t.Errorf("open: got %d, want the probe's", n)
		}
		closed(t, s, nil, pools...)
	})
}

func TestARefusalIsASignOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errDown}
		shared := pool.NewServer(pool.ServerConfig{})
		pools := fleet(s, 2, shared, nil)
		w := wait(pools[0], 0)
		time.Sleep(5 * time.Second)
		s.set(func(s *server) { s.fail = errPassword })
		if e := <-w.ended; !errors.Is(e.err, passwordError) {
			t.Errorf("got %v, want %v", e.err, passwordError)
		}
		if st := shared.Status(); !st.Since.IsZero() {
			t.Errorf("got %+v, want it up", st)
		}
		if st := pools[1].Status(); st.Failing {
			t.Errorf("got %+v: the other pool was refused nothing", st)
		}
		closed(t, s, nil, pools...)
	})
}

// TestOnePoolsTroubleIsNotTheServers has the logins of one pool hang while those
// of another succeed.
func TestOnePoolsTroubleIsNotTheServers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		shared := pool.NewServer(pool.ServerConfig{})
		hangs := fleet(s, 1, shared, func(c *pool.Config[*conn]) {
			c.ConnectTimeout = time.Second
			c.Connect = func(ctx context.Context, _ int) (*conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})[0]
		works := fleet(s, 1, shared, nil)[0]
		w := wait(hangs, 0)
		time.Sleep(500 * time.Millisecond)
		works.Release(mustAcquire(t, works, 0))
		time.Sleep(time.Second)
		if st := shared.Status(); st.Outages != 0 {
			t.Errorf("got %+v, want no outage", st)
		}
		if st := hangs.Status(); !st.Failing {
			t.Errorf("got %+v, want a failure", st)
		}
		hangs.Leave(&w.Waiter)
		closed(t, s, nil, hangs, works)
	})
}

func TestTheEndOfAWaitDuringAnOutageSaysHowLongItHasLasted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errDown}
		p := pool.New(config(s, nil))
		_, err := acquire(p, 0)
		e, ok := errors.AsType[*sqlstate.Error](err)
		if !ok || e.Code != sqlstate.ConnectionFailure || !strings.Contains(e.Detail, "no connections for 30s") || !strings.Contains(e.Detail, "was not executed") {
			t.Errorf("got %v, want 08006 that says for how long", err)
		}
		closed(t, s, nil, p)
	})
}

func TestConnectionsToAnOldPrimaryAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{address: "a"}
		shared := pool.NewServer(pool.ServerConfig{Single: true})
		pools := fleet(s, 2, shared, nil)
		held, idle := mustAcquire(t, pools[0], 0), mustAcquire(t, pools[1], 0)
		pools[1].Release(idle)
		s.set(func(s *server) { s.address = "b" })
		fresh := mustAcquire(t, pools[0], 0)
		if st := pools[1].Status(); st.Idle != 0 {
			t.Errorf("got %+v, want nothing idle at the old address", st)
		}
		pools[0].Release(fresh)
		pools[0].Release(held)
		if st := pools[0].Status(); st.Idle != 1 {
			t.Errorf("got %+v, want one idle, at the new address", st)
		}
		closed(t, s, nil, pools...)
	})
}

func TestWhatWasIdleWhenAnOutageBeganIsCheckedBeforeUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		shared := pool.NewServer(pool.ServerConfig{})
		pools := fleet(s, 2, shared, nil)
		p := pools[0]
		held := mustAcquire(t, p, 0)
		p.Release(mustAcquire(t, p, 0)) // idle from here on
		s.set(func(s *server) { s.fail = errDown })
		w := wait(pools[1], 0) // makes weir see the outage
		time.Sleep(50 * time.Millisecond)
		idle := mustAcquire(t, p, 0)
		if !idle.Node().NeedsCheck() {
			t.Error("what was idle is not checked")
		}
		p.Release(held) // was in use
		if again := mustAcquire(t, p, 0); again.Node().NeedsCheck() {
			t.Error("what was in use is checked")
		}
		p.Release(held)
		p.Release(idle)
		pools[1].Leave(&w.Waiter)
		closed(t, s, nil, pools...)
	})
}

// TestALackOfDescriptorsIsNoOutage has a machine run out of them, while the server
// is up and while it is down.
func TestALackOfDescriptorsIsNoOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		shared := pool.NewServer(pool.ServerConfig{Name: "db.example:5432"})
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Server, c.AcquireTimeout = shared, 5*time.Second }))
		one := mustAcquire(t, p, 0)
		s.set(func(s *server) { s.fail = errLocal })
		if e := <-wait(p, 0).ended; !errors.Is(e.err, localError) {
			t.Errorf("a wait ended with %v, want %v", e.err, localError)
		}
		if st := shared.Status(); !st.Since.IsZero() || st.Outages != 0 {
			t.Errorf("got %+v, want no outage", st)
		}
		if st := p.Status(); !st.Failing || !errors.Is(st.LastError, errLocal) {
			t.Errorf("got %+v, want the failure to be shown", st)
		}
		w := wait(p, 0)
		s.set(func(s *server) { s.fail = errDown })
		time.Sleep(time.Second)
		if st := shared.Status(); st.Outages != 1 {
			t.Fatalf("got %+v, want an outage", st)
		}
		s.set(func(s *server) { s.fail = errLocal })
		time.Sleep(2 * time.Second)
		if st := shared.Status(); st.Since.IsZero() || st.Outages != 1 || errors.Is(st.Error, errLocal) {
			t.Errorf("got %+v, want the outage to go on", st)
		}
		s.set(func(s *server) { s.fail = nil })
		p.Release((<-w.ended).c)
		p.Release(one)
		if st := shared.Status(); !st.Since.IsZero() {
			t.Errorf("got %+v, want the outage to be over", st)
		}
		closed(t, s, nil, p)
	})
}
