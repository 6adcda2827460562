// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// burden has n clients ask things until the context ends, and counts the answers.
func burden(t *testing.T, ctx context.Context, wait *sync.WaitGroup, g *gateway, n int) *atomic.Int64 {
	t.Helper()
	var done atomic.Int64
	for range n {
		wait.Go(func() {
			conn, err := pgx.Connect(bounded(t), g.url())
			if err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			defer conn.Close(bounded(t))
			for ctx.Err() == nil {
				if err := exec(t, conn, "select pg_sleep(0.01)"); err != nil {
					t.Errorf("a client saw %v", err)
					return
				}
				done.Add(1)
			}
		})
	}
	return &done
}

// TestTwoWeirsShareARolesLimit has one weir take all that the role may have, stop,
// and leave it to another; then both want all of it.
func TestTwoWeirsShareARolesLimit(t *testing.T) {
	t.Parallel()
	admin := database(t)
	dsn := testpg.Role(t, admin, "connection limit 6")
	one, two := open(t, dsn, poolOf(10), waits(patience)), open(t, dsn, poolOf(10), waits(patience))

	var first sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	burden(t, ctx, &first, one, 12)
	until(t, "one weir to take all connections of the role", func() bool { return one.Status().Upstreams.Active == 6 })
	stop()
	first.Wait()

	var both sync.WaitGroup
	ctx, stop = context.WithCancel(t.Context())
	began := time.Now()
	twos := burden(t, ctx, &both, two, 12)
	until(t, "the other weir to work", func() bool { return twos.Load() > 0 })
	t.Logf("the other weir worked %v after it was asked", time.Since(began).Round(time.Millisecond))
	until(t, "the other weir to have most of the role's connections", func() bool { return two.Status().Upstreams.Active >= 4 })

	ones := burden(t, ctx, &both, one, 12)
	until(t, "both to have a fair share", func() bool {
		return one.Status().Upstreams.Active >= 2 && two.Status().Upstreams.Active >= 2
	})
	a, b := ones.Load(), twos.Load()
	until(t, "both to work", func() bool { return ones.Load() > a+20 && twos.Load() > b+20 })
	stop()
	both.Wait()
	one.balanced(t)
	two.balanced(t)
}

// TestWhatNobodyTookIsTakenBackDuringTransactions has a weir give up a place that
// nobody takes, and then need it while all that it kept are in transactions, so that
// it cannot look how the role stands.
func TestWhatNobodyTookIsTakenBackDuringTransactions(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.Role(t, database(t), "connection limit 3"), poolOf(3))
	conns := []*pgx.Conn{g.connect(t), g.connect(t), g.connect(t)}
	for _, conn := range conns {
		must(t, conn, "begin; select 1") // all at once: a connection for each
	}
	for _, conn := range conns[1:] {
		must(t, conn, "rollback")
	}
	until(t, "a place to be given up", func() bool {
		s := g.Status()
		return s.Upstreams.Active+s.Upstreams.Idle < 3
	})
	must(t, conns[1], "begin; select 1")
	began := time.Now()
	must(t, conns[2], "begin; select 1")
	t.Logf("it was taken back after %v", time.Since(began).Round(time.Millisecond))
}

// peerWeir is a weir in a simulation, as far as a role's limit goes.
type peerWeir struct {
	share   weir.Share
	wants   int // connections that its clients keep busy
	ours    int
	allowed int
}

// turn is one reading of a weir and what it does then: it closes what it may not
// have, and opens what it wants as far as the role has room.
func (w *peerWeir) turn(limit, others int, now time.Time) {
	idle := max(w.ours-w.wants, 0)
	w.allowed = w.share.Next(weir.NewReading(limit, others, w.ours, idle, w.wants > w.ours), now)
	w.ours = min(w.ours, w.allowed)
	w.ours = max(w.ours, min(w.wants, w.allowed, limit-others))
}

func TestSharesOfARole(t *testing.T) {
	t.Parallel()
	const limit = 6
	for _, test := range []struct {
		name         string
		a, b         int // wanted
		atA, atB     int // had at first
		wantA, wantB int // after a minute
	}{
		{"both want all, one has it", 10, 10, 6, 0, 3, 3},
		{"both want all", 10, 10, 3, 3, 3, 3},
		{"one wants all, the other nothing any more", 10, 0, 0, 6, 5, 1},
		{"one wants all, the other little", 10, 1, 0, 6, 5, 1},
		{"both want little", 2, 2, 4, 2, 3, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := &peerWeir{wants: test.a, ours: test.atA}, &peerWeir{wants: test.b, ours: test.atB}
			now := time.Unix(0, 0)
			for range 60 {
				now = now.Add(time.Second)
				a.turn(limit, b.ours, now)
				b.turn(limit, a.ours, now)
			}
			if a.ours != test.wantA || b.ours != test.wantB {
				t.Errorf("got %d and %d, want %d and %d", a.ours, b.ours, test.wantA, test.wantB)
			}
		})
	}
}

// TestAWeirAloneKeepsItsRolesLimit has nobody take what is given up.
func TestAWeirAloneKeepsItsRolesLimit(t *testing.T) {
	t.Parallel()
	w := &peerWeir{wants: 10, ours: 6}
	now, sum := time.Unix(0, 0), 0
	for range 600 {
		now = now.Add(time.Second)
		w.turn(6, 0, now)
		sum += w.ours
	}
	if share := float64(sum) / (600 * 6); share < 0.95 {
		t.Errorf("a weir alone had %.3f of its role's connections, want 0.95 at least", share)
	}
}

// TestAWeirAloneHasNoStrangers has connections come and go all the time while weir
// looks who else is there.
func TestAWeirAloneHasNoStrangers(t *testing.T) {
	t.Parallel()
	const limit = 5
	g := open(t, testpg.Role(t, database(t), "connection limit 5"), poolOf(10), waits(patience), func(c *weir.Config) {
		c.Pool.Lifetime = 20 * time.Millisecond
	})
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	burden(t, ctx, &wait, g, 10)
	allowed := func() int {
		for _, b := range g.Status().Budgets {
			if b.Scope == "role" {
				return b.Limit
			}
		}
		return 0
	}
	until(t, "the role's limit to be known", func() bool { return allowed() == limit })
	began := time.Now()
	until(t, "two readings", func() bool {
		if n := allowed(); n < limit {
			t.Fatalf("weir alone keeps to %d of %d connections", n, limit)
		}
		return time.Since(began) > 2500*time.Millisecond
	})
}

func TestStrangers(t *testing.T) {
	t.Parallel()
	var s weir.Share
	for _, step := range []struct {
		what           string
		sessions, ours []uint32
		joining, want  int
	}{
		{"all are ours", []uint32{1, 2, 3}, []uint32{1, 2, 3, 9}, 0, 0},
		{"one may be the one that is being opened", []uint32{1, 2, 4}, []uint32{1, 2}, 1, 0},
		{"it was, and there is another", []uint32{1, 2, 4, 5}, []uint32{1, 2, 4}, 1, 0},
		{"that one stays unknown", []uint32{1, 2, 5}, []uint32{1, 2}, 1, 1},
		{"more than are being opened", []uint32{1, 5, 6, 7, 8}, []uint32{1}, 1, 3},
		{"all are others'", []uint32{5, 6, 7, 8}, nil, 4, 4},
	} {
		if got := s.Strangers(step.sessions, step.ours, step.joining); got != step.want {
			t.Errorf("%s: got %d strangers, want %d", step.what, got, step.want)
		}
	}
}

// TestWeirsOwnQueriesAreNobodysWait has as many clients as connections, all in
// transactions, while weir wants to look who else the role has.
func TestWeirsOwnQueriesAreNobodysWait(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.Role(t, database(t), "connection limit 5"), poolOf(5))
	for range 5 {
		must(t, g.connect(t), "begin; select 1")
	}
	began := time.Now()
	until(t, "a reading", func() bool {
		if s := g.Status(); s.Waiting != 0 || s.Pools[0].OldestWait != 0 {
			t.Fatalf("%d wait, the oldest for %v s, where every client has its connection", s.Waiting, s.Pools[0].OldestWait)
		}
		return time.Since(began) > 1200*time.Millisecond
	})
}
