// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/testpg"
)

func TestARolesLimitIsKeptWhateverThePoolAsksFor(t *testing.T) {
	t.Parallel()
	admin := database(t)
	c, dsn := count(t, testpg.Role(t, admin, "connection limit 5"))
	g := open(t, dsn, poolOf(20))
	must(t, g.connect(t), "select 1")
	until(t, "what read the limits at the start to be gone", func() bool { return c.open.Load() == 1 })
	c.most.Store(0)
	c.expect.Store(5)
	var wait sync.WaitGroup
	var seen atomic.Bool // in the status, what limits the role
	for range 60 {
		wait.Go(func() {
			conn, err := g.try(t)
			if err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			for n := 0; n < 20 || !seen.Load(); n++ {
				if err := exec(t, conn, "select pg_sleep(0.001)"); err != nil {
					t.Errorf("a client saw %v", err)
					return
				}
			}
		})
	}
	// Looked for while all is in use: what is not, weir gives up for others.
	until(t, "the status to say what limits the role", func() bool {
		status := g.Status()
		return status.Pools[0].Max == 5 && slices.ContainsFunc(status.Budgets, func(b observe.Budget) bool {
			return b.Scope == observe.ScopeRole && b.Limit == 5 && strings.Contains(b.Source, "CONNECTION LIMIT 5")
		})
	})
	seen.Store(true)
	wait.Wait()
	if n := c.most.Load(); n > 5 {
		t.Errorf("%d connections at once, want at most 5", n)
	}
	if n := strings.Count(g.log.String(), "PostgreSQL allows fewer connections"); n != 1 {
		t.Errorf("the log says %d times that PostgreSQL allows fewer connections, want once", n)
	}
}

// TestPoolsShareTheirRolesLimit has three databases on a role that may have
// two connections: all make progress.
func TestPoolsShareTheirRolesLimit(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	dsn := testpg.Role(t, admin, "connection limit 2")
	g := open(t, dsn, poolOf(5))
	var wait sync.WaitGroup
	for range 3 {
		u, err := url.Parse(database(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			wait.Go(func() {
				cfg, err := pgx.ParseConfig(g.url())
				if err != nil {
					t.Error(err)
					return
				}
				cfg.Database = strings.TrimPrefix(u.Path, "/")
				work(t, cfg, 30)
			})
		}
	}
	wait.Wait()
	g.balanced(t)
}

// work runs n transactions on a connection of its own.
func work(t *testing.T, cfg *pgx.ConnConfig, n int) {
	conn, err := pgx.ConnectConfig(bounded(t), cfg)
	if err != nil {
		t.Errorf("connect to %s: %v", cfg.Database, err)
		return
	}
	defer conn.Close(bounded(t))
	name := func() (name string, err error) {
		ctx, stop := context.WithTimeout(t.Context(), patience)
		defer stop()
		err = conn.QueryRow(ctx, "select current_database()").Scan(&name)
		return name, err
	}
	for range n {
		if name, err := name(); err != nil || name != cfg.Database {
			t.Errorf("a client of %s got %q, %v", cfg.Database, name, err)
			return
		}
	}
}

// TestATakenServerIsWaitedFor has others use up the role's connections: weir
// waits for room instead of passing 53300 on.
func TestATakenServerIsWaitedFor(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	dsn := testpg.Role(t, admin, "connection limit 3")
	var others []*pgx.Conn
	for range 3 {
		conn, err := pgx.Connect(bounded(t), dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(bounded(t))
		others = append(others, conn)
	}
	g := open(t, dsn, func(c *weir.Config) { c.Pool.AcquireTimeout = patience })
	served := make(chan error, 1)
	go func() {
		_, err := g.try(t)
		served <- err
	}()
	until(t, "weir to be refused once", func() bool {
		s := g.Status()
		return s.Waiting == 1 && len(s.Pools) == 1 && s.Pools[0].LastError != ""
	})
	if err := others[0].Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Errorf("the client got %v once there was room", err)
	}
}
