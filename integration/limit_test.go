// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

// Three processes' worth of clients, none of which knows of the others.
func TestThreeProcessesShareARole(t *testing.T) {
	t.Parallel()
	g := fresh(t, "connection limit 5")
	w := open(t, g.url, "DATABASE_POOL_MAX=20")
	initialise(t, w.url)
	path := testpg.Program(t, "pgbench")
	seen := g.watch(t)
	err := together(3, func(i int) error {
		return bench(within(t), path, w.url, 70, 5, "-M", []string{"simple", "extended", "prepared"}[i], "-S")
	})
	if err != nil {
		t.Error(err)
	}
	if n := seen(); n > 5 {
		t.Errorf("%d backends at one time, want at most 5", n)
	}
}

// Another program has three of the role's five connections before weir comes.
func TestAnotherProgramHasThreeOfFive(t *testing.T) {
	t.Parallel()
	g := fresh(t, "connection limit 5")
	g.counters(t, crowded)
	others := g.occupy(t, 3)
	w := open(t, g.url, "DATABASE_POOL_MAX=20")
	seen := g.watch(t)
	if err := pgxCrowd(within(t), w.url, pgx.QueryExecModeCacheStatement); err != nil {
		t.Error(err)
	}
	if n := seen(); n != 5 {
		t.Errorf("at most %d backends at one time, want 5 of which 3 are not weir's", n)
	}
	for _, other := range others {
		if err := other.Ping(t.Context()); err != nil {
			t.Errorf("the other program's connection: %v", err)
		}
	}
	if got, want := g.counted(t), crowded*times; got != want {
		t.Errorf("the counters' sum = %d, want %d", got, want)
	}
}

// occupy connects to PostgreSQL itself, as another program would.
func (g ground) occupy(t *testing.T, n int) []*pgx.Conn {
	t.Helper()
	var conns []*pgx.Conn
	for range n {
		conn, err := pgx.Connect(t.Context(), g.url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
		conns = append(conns, conn)
	}
	return conns
}

// The other program comes when weir believes that all five are its own: weir
// hears 53300, its clients do not, and they are served with what is left.
func TestAnotherProgramTakesWhatWeirCountedOn(t *testing.T) {
	t.Parallel()
	g := fresh(t, "connection limit 5")
	g.counters(t, crowded)
	w := open(t, g.url, "DATABASE_POOL_MAX=20", "DATABASE_POOL_MIN=1")
	dial(t, w.url).leave() // now weir knows the limit
	await(t, "weir has one connection", func() error {
		if n := g.backends(t); n != 1 {
			return fmt.Errorf("%d backends", n)
		}
		return nil
	})
	others := g.occupy(t, 3)
	if err := pgxCrowd(within(t), w.url, pgx.QueryExecModeExec); err != nil {
		t.Error(err)
	}
	if got, want := g.counted(t), crowded*times; got != want {
		t.Errorf("the counters' sum = %d, want %d", got, want)
	}
	for _, other := range others {
		if err := other.Ping(t.Context()); err != nil {
			t.Errorf("the other program's connection: %v", err)
		}
	}
}

// The role's limit is lowered and raised again while clients work: weir
// follows, and no client hears of it.
func TestALimitThatChangesUnderLoad(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=12", "DATABASE_POOL_MIN=1")
	dial(t, w.url).leave() // weir has read that there is no limit
	limit := func(n int) { testpg.Exec(t, g.admin, "alter role "+g.role+" connection limit "+strconv.Itoa(n)) }
	limit(5)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var load sync.WaitGroup
	defer load.Wait()
	conns := make([]*pgx.Conn, 40)
	for i := range conns {
		conn, err := connectPgx(ctx, w.url, pgx.QueryExecModeExec)
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = conn
	}
	for _, conn := range conns {
		load.Go(func() {
			defer conn.Close(context.WithoutCancel(ctx))
			for ctx.Err() == nil {
				if _, err := conn.Exec(context.WithoutCancel(ctx), "select pg_sleep(0.02)"); err != nil {
					t.Errorf("a client heard: %v", err)
					return
				}
			}
		})
	}
	defer stop() // before load.Wait
	g.await(t, 5)
	limit(9)
	g.await(t, 9)
}

// await waits until the role has n backends.
func (g ground) await(t *testing.T, n int) {
	t.Helper()
	await(t, fmt.Sprintf("%d backends serve the role", n), func() error {
		if now := g.backends(t); now != n {
			return fmt.Errorf("there are %d", now)
		}
		return nil
	})
}
