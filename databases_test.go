// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"crypto/rand"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/testpg"
)

// newName is a name for a database that the test makes through weir.
func newName(t testing.TB, admin string) string {
	t.Helper()
	name := "weir_new_" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() { testpg.Exec(t, admin, "drop database if exists "+name+" with (force)") })
	return name
}

// connectTo is connect for another database.
func (g *gateway) connectTo(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	conn, err := g.tryTo(t, database)
	if err != nil {
		t.Fatalf("connect to %s: %v", database, err)
	}
	return conn
}

// tryTo is connectTo for a login that may fail.
func (g *gateway) tryTo(t testing.TB, database string) (*pgx.Conn, error) {
	t.Helper()
	u, err := url.Parse(g.url())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	conn, err := pgx.Connect(bounded(t), u.String())
	if err == nil {
		t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	}
	return conn, err
}

// pools lists the databases that the gateway has pools for.
func (g *gateway) pools() (names []string) {
	for _, p := range g.Status().Pools {
		names = append(names, p.Database)
	}
	return names
}

func TestDatabaseIsDroppedThoughItsPoolHasIdleConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		drop func(*testing.T, *gateway, *pgx.Conn, string)
	}{
		{"simple", func(t *testing.T, _ *gateway, conn *pgx.Conn, name string) { must(t, conn, "drop database "+name) }},
		{"extended", func(t *testing.T, _ *gateway, conn *pgx.Conn, name string) {
			if _, err := conn.Exec(bounded(t), "drop database if exists "+name, pgx.QueryExecModeExec); err != nil {
				t.Error(err)
			}
		}},
		{"prepared", func(t *testing.T, _ *gateway, conn *pgx.Conn, name string) {
			if _, err := conn.Exec(bounded(t), "drop database "+name+" with (force)", pgx.QueryExecModeCacheStatement); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			admin := testpg.URL(t)
			g := open(t, admin)
			conn, name := g.connect(t), newName(t, admin)
			must(t, conn, "create database "+name)
			var inside []*pgx.Conn
			for range 3 { // at the same time, so that each has a connection
				inside = append(inside, g.connectTo(t, name))
				must(t, inside[len(inside)-1], "begin; select 1")
			}
			for _, conn := range inside {
				must(t, conn, "commit")
			}
			until(t, "its connections to be idle", func() bool {
				return slices.ContainsFunc(g.Status().Pools, func(p observe.Pool) bool { return p.Database == name && p.Idle == 3 })
			})
			c.drop(t, g, conn, name)
			if _, err := g.tryTo(t, name); code(err) != "3D000" {
				t.Errorf("a client of the dropped database got %v, want 3D000", err)
			}
		})
	}
}

// TestShadowDatabase does what Prisma does for each `migrate dev`: nobody else
// knows the database, it is asked for before it is there, and dropped as soon as
// its client has left.
func TestShadowDatabase(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	g := open(t, admin)
	conn, name := g.connect(t), newName(t, admin)
	for range 3 {
		if _, err := g.tryTo(t, name); code(err) != "3D000" {
			t.Fatalf("before it is there: got %v, want 3D000", err)
		}
		must(t, conn, "create database "+name)
		shadow := g.connectTo(t, name)
		must(t, shadow, "select pg_advisory_lock(72707369)")
		must(t, shadow, "create table rows (id serial primary key)")
		must(t, shadow, "insert into rows default values")
		_ = shadow.PgConn().Conn().Close() // the lock keeps the connection until it is reset
		must(t, conn, "drop database "+name)
	}
	until(t, "its pool to be forgotten", func() bool { return !slices.Contains(g.pools(), name) })
}

func TestDatabaseIsCopiedThoughItsPoolHasIdleConnections(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	g := open(t, admin)
	conn, template, name := g.connect(t), newName(t, admin), newName(t, admin)
	must(t, conn, "create database "+template)
	must(t, g.connectTo(t, template), "create table rows as select 7 as n")
	must(t, conn, "create database "+name+" template = "+template)
	if got := ask(t, g.connectTo(t, name), "select n from rows"); got != "7" {
		t.Errorf("got %q from the copy, want 7", got)
	}
}

func TestDatabaseIsRenamedThoughItsPoolHasIdleConnections(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	g := open(t, admin)
	conn, from, to := g.connect(t), newName(t, admin), newName(t, admin)
	must(t, conn, "create database "+from)
	must(t, g.connectTo(t, from), "create table rows as select 7 as n")
	if _, err := g.tryTo(t, to); code(err) != "3D000" {
		t.Fatalf("before it is there: got %v, want 3D000", err)
	}
	must(t, conn, "begin")
	must(t, conn, "alter database "+from+" rename to "+to)
	must(t, conn, "commit")
	if got := ask(t, g.connectTo(t, to), "select n from rows"); got != "7" {
		t.Errorf("got %q, want 7", got)
	}
	if _, err := g.tryTo(t, from); code(err) != "3D000" {
		t.Errorf("by its old name: got %v, want 3D000", err)
	}
}

func TestMinimumIsKeptAgainAfterADatabaseIsCopied(t *testing.T) {
	t.Parallel()
	dsn := database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	g := open(t, dsn, func(c *weir.Config) { c.Pool.Min = 3 })
	idle := func() bool { return g.Status().Pools[0].Idle == 3 }
	until(t, "the minimum to be open", idle)
	name := newName(t, dsn)
	must(t, g.connectTo(t, "postgres"), "create database "+name+" template "+strings.TrimPrefix(u.Path, "/"))
	until(t, "the minimum to be open again", idle)
}

func TestDatabaseInUseIsNotDropped(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	g := open(t, admin)
	conn, name := g.connect(t), newName(t, admin)
	must(t, conn, "create database "+name)
	busy := g.connectTo(t, name)
	must(t, busy, "begin; select 1")
	if err := exec(t, conn, "drop database "+name); code(err) != "55006" {
		t.Errorf("got %v, want PostgreSQL's own 55006", err)
	}
	must(t, busy, "commit")
	must(t, busy, "select 1")
}
