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
