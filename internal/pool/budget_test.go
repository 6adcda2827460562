// SPDX-License-Identifier: Apache-2.0

package pool_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/sqlstate"
)

func newBudget(limit int) *pool.Budget {
	return pool.NewBudget(pool.BudgetConfig{
		Name: `role "app"`, Limit: limit, Source: `CONNECTION LIMIT of role "app"`,
	})
}

func TestPoolTakesAPlaceFromEachBudgetOrFromNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		role, all := newBudget(5), newBudget(3)
		p := pool.New(config(s, nil), all, role, all)
		conns := takeAll(t, p, 3)
		w := wait(p, 0)
		synctest.Wait()
		for _, b := range []*pool.Budget{role, all} {
			if st := b.Status(); st.InUse != 3 {
				t.Errorf("used: got %d, want 3", st.InUse)
			}
		}
		if st := p.Status(); st.Limit != 3 || st.Source != `CONNECTION LIMIT of role "app"` {
			t.Errorf("limit: got %d from %q, want the tighter budget's", st.Limit, st.Source)
		}
		if hungry := [2]int{role.Status().Hungry, all.Status().Hungry}; hungry != [2]int{0, 1} {
			t.Errorf("hungry: got %v, want it at the full budget only", hungry)
		}
		p.Leave(&w.Waiter)
		if n := all.Status().Hungry; n != 0 {
			t.Errorf("hungry after the waiter left: got %d, want 0", n)
		}
		releaseAll(p, conns)
		closed(t, s, []*pool.Budget{role, all}, p)
	})
}

func TestBudgetLimits(t *testing.T) {
	tests := []struct {
		name           string
		limit, reserve int
		want           int
	}{
		{"none", pool.NoLimit, 3, pool.NoLimit},
		{"plain", 5, 0, 5},
		{"with a reserve", 5, 2, 3},
		{"all reserved", 5, 5, 1},
		{"zero", 0, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := pool.NewBudget(pool.BudgetConfig{Limit: tt.limit, Reserve: tt.reserve})
			if got := b.Status().Effective; got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestFullBudgetIsNamedInTheRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		b := newBudget(2)
		p := pool.New(config(s, nil), b)
		conns := takeAll(t, p, 2)
		e := <-wait(p, 0).ended
		var err *sqlstate.Error
		if !errors.As(e.err, &err) || err.Code != sqlstate.TooManyConnections {
			t.Fatalf("got %v, want 53300", e.err)
		}
		if want := `role "app": 2 of 2 in use over all pools`; !strings.Contains(err.Detail, want) {
			t.Errorf("detail: got %q, want it to contain %q", err.Detail, want)
		}
		if want := `The limit of 2 comes from CONNECTION LIMIT of role "app"`; !strings.Contains(err.Hint, want) {
			t.Errorf("hint: got %q, want it to contain %q", err.Hint, want)
		}
		releaseAll(p, conns)
		closed(t, s, []*pool.Budget{b}, p)
	})
}

func TestFullShrinksAndRegrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{limit: 3}
		b := newBudget(6)
		p := pool.New(config(s, nil), b)
		conns := takeAll(t, p, 3)
		w := wait(p, 0)
		synctest.Wait()
		if st := b.Status(); st.Effective != 3 || st.InUse != 3 {
			t.Errorf("after 53300: got %d of %d, want 3 of 3", st.InUse, st.Effective)
		}
		if st := p.Status(); !strings.Contains(st.Source, "53300") || st.Limit != 3 {
			t.Errorf("got limit %d from %q, want 3 and 53300 as its reason", st.Limit, st.Source)
		}
		time.Sleep(25 * time.Second)
		if n := s.get(tries); n > 3+1+4 {
			t.Errorf("tries: got %d, want few while PostgreSQL is full", n)
		}
		p.Leave(&w.Waiter)
		s.set(func(s *server) { s.limit = 0 })
		time.Sleep(40 * time.Second)
		if st := b.Status(); st.Effective != 6 {
			t.Errorf("40s later: got %d, want the limit of 6", st.Effective)
		}
		releaseAll(p, conns)
		closed(t, s, []*pool.Budget{b}, p)
	})
}

func TestFullIsNeverTheClientsProblemWhileConnectionsTurnOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{limit: 5, delay: 5 * time.Millisecond}
		b := newBudget(20)
		p := pool.New(config(s, func(c *pool.Config[*conn]) { c.Max = 20 }), b)
		crowd(t, 200, 20, p)
		if n := s.get(func(s *server) int { return s.most }); n != 5 {
			t.Errorf("most open: got %d, want 5", n)
		}
		closed(t, s, []*pool.Budget{b}, p)
	})
}

func TestFullWithNothingOpenGoesOnTrying(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{fail: errFull}
		var log bytes.Buffer
		b := pool.NewBudget(pool.BudgetConfig{Name: "role", Limit: 5, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		p := pool.New(config(s, nil), b)
		w := wait(p, 0)
		time.Sleep(5 * time.Second)
		synctest.Wait() // for who writes to the log at this moment
		if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "connections=0") {
			t.Errorf("the log says %q, want one line, of no connections", said)
		}
		if n := b.Status().Effective; n != 1 {
			t.Errorf("effective: got %d, want 1", n)
		}
		if n := s.get(tries); n < 10 || n > 20 {
			t.Errorf("tries in 5s: got %d, want one every 500 ms or little less", n)
		}
		s.set(func(s *server) { s.fail = nil })
		began := time.Now()
		p.Release((<-w.ended).c)
		if d := time.Since(began); d > 500*time.Millisecond {
			t.Errorf("served after %v, want 500ms at most", d)
		}
		closed(t, s, []*pool.Budget{b}, p)
	})
}

func TestFullOfABudgetWithoutALimitEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{limit: 2}
		b := newBudget(pool.NoLimit)
		p := pool.New(config(s, nil), b)
		conns := takeAll(t, p, 2)
		w := wait(p, 0)
		synctest.Wait()
		if n := b.Status().Effective; n != 2 {
			t.Errorf("effective: got %d, want 2", n)
		}
		p.Leave(&w.Waiter)
		time.Sleep(10 * time.Second)
		if n := b.Status().Effective; n != pool.NoLimit {
			t.Errorf("effective: got %d, want no limit again", n)
		}
		releaseAll(p, conns)
		closed(t, s, []*pool.Budget{b}, p)
	})
}

func TestFullKeepsHoldingWhenTheLimitChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{limit: 3}
		b := newBudget(6)
		p := pool.New(config(s, nil), b)
		conns := takeAll(t, p, 3)
		w := wait(p, 0)
		synctest.Wait()
		b.SetLimit(20, "max_connections")
		if n := b.Status().Effective; n != 3 {
			t.Errorf("effective: got %d, want 3 until it regrows", n)
		}
		p.Leave(&w.Waiter)
		releaseAll(p, conns)
		closed(t, s, []*pool.Budget{b}, p)
	})
}

func TestPlaceIsGivenBackAfterTheConnectionIsClosed(t *testing.T) {
	t.Parallel()
	b := newBudget(1)
	used := 0
	s := &server{ending: func() { used = b.Status().InUse }}
	p := pool.New(config(s, nil), b)
	p.Discard(mustAcquire(t, p, 0), "out of step")
	if used != 1 {
		t.Error("the place was free while PostgreSQL still counted the connection")
	}
	closed(t, s, []*pool.Budget{b}, p)
}

func TestFullRightAfterACloseDoesNotShrink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{limit: 5}
		b := newBudget(5)
		p := pool.New(config(s, nil), b)
		conns := takeAll(t, p, 5)
		s.set(func(s *server) { s.limit = 4 }) // PostgreSQL still counts the one closed next
		p.Discard(conns[4], "out of step")
		w := wait(p, 0)
		synctest.Wait()
		if n := b.Status().Effective; n != 5 {
			t.Errorf("effective: got %d, want 5", n)
		}
		s.set(func(s *server) { s.limit = 5 })
		began := time.Now()
		p.Release((<-w.ended).c)
		if d := time.Since(began); d > 100*time.Millisecond {
			t.Errorf("served after %v, want 100ms at most", d)
		}
		releaseAll(p, conns[:4])
		closed(t, s, []*pool.Budget{b}, p)
	})
}

func TestFullNamesItsBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{limit: 2}
		role, all := newBudget(5), newBudget(50)
		p := pool.New(config(s, func(c *pool.Config[*conn]) {
			c.Classify = func(error) pool.Failure { return pool.Failure{Kind: pool.Full, Budget: role} }
		}), role, all)
		conns := takeAll(t, p, 2)
		w := wait(p, 0)
		synctest.Wait()
		if got := [2]int{role.Status().Effective, all.Status().Effective}; got != [2]int{2, 50} {
			t.Errorf("effective: got %v, want the role's to shrink alone", got)
		}
		releaseAll(p, conns)
		p.Release((<-w.ended).c)
		closed(t, s, []*pool.Budget{role, all}, p)
	})
}

func TestSetLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		b := newBudget(6)
		p := pool.New(config(s, nil), b)
		conns := takeAll(t, p, 6)
		releaseAll(p, conns[:2])
		b.SetLimit(3, "max_connections")
		if n := s.get(opened); n != 4 {
			t.Errorf("idle ones stay open above a lower limit: got %d open, want 4", n)
		}
		p.Release(conns[2])
		if n := s.get(opened); n != 3 {
			t.Errorf("a released one stays open above the limit: got %d open, want 3", n)
		}
		w := wait(p, 0)
		b.SetLimit(4, "max_connections")
		p.Release((<-w.ended).c)
		if st := b.Status(); st.Limit != 4 || st.Effective != 4 || st.Source != "max_connections" {
			t.Errorf("got %+v, want a limit of 4", st)
		}
		releaseAll(p, conns[3:])
		closed(t, s, []*pool.Budget{b}, p)
	})
}

func TestTakeTakesFromAllOrNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		role, all := newBudget(2), newBudget(5)
		p := pool.New(config(s, nil), role, all)
		c := mustAcquire(t, p, 0)
		if !pool.Take(all, role) {
			t.Fatal("a free place was not given")
		}
		if pool.Take(role, all) {
			t.Error("took a place that is in use")
		}
		if got := [2]int{role.Status().InUse, all.Status().InUse}; got != [2]int{2, 2} {
			t.Errorf("in use: got %v, want 2 of each", got)
		}
		w := wait(p, 0)
		pool.Give(role, all)
		p.Release((<-w.ended).c)
		p.Release(c)
		closed(t, s, []*pool.Budget{role, all}, p)
	})
}
