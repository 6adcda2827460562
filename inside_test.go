// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

func TestAPoolInsideNeedsNoPort(t *testing.T) {
	t.Parallel()
	g := prepare(t, database(t))
	var database, user, version string
	row := g.Pool().QueryRow(bounded(t), "select current_database(), current_user, current_setting('server_version_num')")
	if err := row.Scan(&database, &user, &version); err != nil {
		t.Fatal(err)
	}
	c, err := g.ConnConfig()
	if err != nil {
		t.Fatal(err)
	}
	if database != c.Database || user != c.User {
		t.Errorf("connected to %s as %s, want %s as %s", database, user, c.Database, c.User)
	}
	if one, other := g.Pool(), g.Pool(); one != other {
		t.Error("each call makes another pool")
	}
	g.balanced(t) // what was answered is counted
	if s := g.Status(); s.Clients.Total != 1 || s.Pools[0].Queries == 0 {
		t.Errorf("the status has %d clients and %d queries", s.Clients.Total, s.Pools[0].Queries)
	}
}

func TestADBInsideRunsTransactions(t *testing.T) {
	t.Parallel()
	g := prepare(t, database(t))
	ctx := bounded(t)
	if _, err := g.DB().ExecContext(ctx, "create table rows (n int)"); err != nil {
		t.Fatal(err)
	}
	tx, err := g.DB().BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "insert into rows values ($1)", 7); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := g.DB().QueryRowContext(ctx, "select n from rows").Scan(&n); err != nil || n != 7 {
		t.Errorf("read %d, %v; want 7", n, err)
	}
	if one, other := g.DB(), g.DB(); one != other {
		t.Error("each call makes another handle")
	}
}

// TestManyInsideWaitInWeirsQueue has more transactions than upstreams at a time.
func TestManyInsideWaitInWeirsQueue(t *testing.T) {
	t.Parallel()
	const clients = 40
	dsn := database(t)
	g := prepare(t, dsn, poolOf(2))
	holder, err := pgx.Connect(bounded(t), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(bounded(t))
	must(t, holder, "select pg_advisory_lock(7)") // those with an upstream wait for it, the others for them
	block := make(chan struct{})
	var begun, ended sync.WaitGroup
	for range clients {
		begun.Add(1)
		ended.Go(func() {
			tx, err := g.Pool().Begin(t.Context())
			begun.Done()
			if err != nil {
				t.Error(err)
				return
			}
			<-block
			if _, err := tx.Exec(t.Context(), "select pg_advisory_xact_lock_shared(7)"); err != nil {
				t.Error(err)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	begun.Wait()
	g.balanced(t)
	if s := g.Status(); s.Clients.Total != clients || s.Upstreams.Active != 0 {
		t.Errorf("%d clients are connected and hold %d upstreams, want %d and 0", s.Clients.Total, s.Upstreams.Active, clients)
	}
	close(block)
	until(t, "requests to wait in weir", func() bool { return g.Status().Waiting == clients-2 })
	must(t, holder, "select pg_advisory_unlock(7)")
	ended.Wait()
	if n := g.Pool().Stat().EmptyAcquireWaitTime(); n > time.Minute {
		t.Errorf("they waited %v for pgxpool", n)
	}
}

// TestAForgottenConnectionInsideEnds loses a connection in a transaction, as a
// program does that forgets to close it.
func TestAForgottenConnectionInsideEnds(t *testing.T) {
	t.Parallel()
	g := prepare(t, database(t))
	c, err := g.ConnConfig()
	if err != nil {
		t.Fatal(err)
	}
	func() {
		conn, err := pgx.ConnectConfig(bounded(t), c)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"begin", "select 1"} {
			if _, err := conn.Exec(bounded(t), text); err != nil {
				t.Fatal(err)
			}
		}
	}()
	until(t, "weir to roll back and let go", func() bool {
		runtime.GC()
		s := g.Status()
		return s.Clients.Total == 0 && s.Upstreams.Active == 0
	})
}

func TestAContextInsideCancelsItsQuery(t *testing.T) {
	t.Parallel()
	dsn := database(t)
	g := prepare(t, dsn)
	ctx, cancel := context.WithCancel(bounded(t))
	failed := make(chan error, 1)
	go func() {
		_, err := g.Pool().Exec(ctx, "select pg_sleep(300)")
		failed <- err
	}()
	sleepers := func() string {
		return testpg.Exec(t, dsn, "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()")[0][0]
	}
	until(t, "the query to run", func() bool { return sleepers() == "1" })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the query ended with %v", err)
	}
	until(t, "PostgreSQL to have cancelled it", func() bool { return sleepers() == "0" })
	g.balanced(t)
}

// Only who could log in from outside may connect from inside, without a password.
func TestNobodyIsLetInUnderAnUnknownName(t *testing.T) {
	t.Parallel()
	g := prepare(t, database(t))
	c, err := g.ConnConfig()
	if err != nil {
		t.Fatal(err)
	}
	c.User = "somebody"
	_, err = pgx.ConnectConfig(bounded(t), c)
	if code(err) != "28000" || !strings.Contains(err.Error(), `user "somebody" may not connect`) {
		t.Errorf("an unknown user got %v", err)
	}
}

func TestUsersOfTheSettingsConnectInside(t *testing.T) {
	t.Parallel()
	dsn := database(t)
	role, err := pgx.ParseConfig(testpg.Role(t, dsn, ""))
	if err != nil {
		t.Fatal(err)
	}
	g := prepare(t, dsn, func(c *weir.Config) {
		c.Users = []weir.User{{Name: "reader", Password: "secret", UpstreamUser: role.User, UpstreamPassword: role.Password}}
	})
	var user string
	if err := g.Pool().QueryRow(bounded(t), "select current_user").Scan(&user); err != nil || user != role.User {
		t.Errorf("connected as %q, %v; want %q", user, err, role.User)
	}
}

func TestAPoolWithoutADatabaseSaysSo(t *testing.T) {
	t.Parallel()
	dsn := database(t)
	g := prepare(t, "", func(c *weir.Config) {
		c.Databases = []weir.Database{{Name: "a", Upstream: dsn}, {Name: "b", Upstream: dsn}}
	})
	if _, err := g.ConnConfig(); err == nil {
		t.Error("no error")
	}
	if err := g.Pool().Ping(bounded(t)); err == nil || !strings.Contains(err.Error(), "which of several databases") {
		t.Errorf("the pool's first use: %v", err)
	}
}

// TestShutdownLetsTransactionsInsideFinish has one that goes on while the gateway
// shuts down, and one client that only holds a connection until then.
func TestShutdownLetsTransactionsInsideFinish(t *testing.T) {
	t.Parallel()
	dsn := database(t)
	testpg.Exec(t, dsn, "create table rows (n int)")
	g := prepare(t, dsn)
	tx, err := g.Pool().Begin(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	must(t, tx.Conn(), "insert into rows values (1)")
	stopped := make(chan error, 1)
	go func() { stopped <- g.Shutdown(bounded(t)) }()
	until(t, "the pool to be closed", func() bool {
		conn, err := g.Pool().Acquire(bounded(t))
		if err == nil {
			conn.Release()
		}
		return err != nil
	})
	must(t, tx.Conn(), "insert into rows values (2)")
	if err := tx.Commit(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if n := testpg.Exec(t, dsn, "select count(*) from rows")[0][0]; n != "2" {
		t.Errorf("%s rows were committed, want 2", n)
	}
}

func TestShutdownIsBoundedWhereAConnectionIsHeld(t *testing.T) {
	t.Parallel()
	g := prepare(t, database(t))
	conn, err := g.Pool().Acquire(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	must(t, conn.Conn(), "begin")
	must(t, conn.Conn(), "select 1")
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := g.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "1 clients were still connected") {
		t.Errorf("shutdown: %v", err)
	}
	if err := exec(t, conn.Conn(), "select 1"); err == nil {
		t.Error("the connection was not cut")
	}
	conn.Release()
	if err := g.Pool().Ping(bounded(t)); err == nil {
		t.Error("the pool of a gateway that was shut down connects")
	}
	if _, err := g.Dial(bounded(t), "", ""); code(err) != "" || err == nil {
		t.Errorf("Dial: %v", err)
	}
}

// TestAnIdleConnectionInsideIsTriedOnlyIfItSaidSomething has a pool give out one
// that is well, for which PostgreSQL need not be asked, and one that weir has
// closed meanwhile.
func TestAnIdleConnectionInsideIsTriedOnlyIfItSaidSomething(t *testing.T) {
	t.Parallel()
	g := prepare(t, database(t))
	ctx := bounded(t)
	if err := g.Pool().Ping(ctx); err != nil {
		t.Fatal(err)
	}
	g.balanced(t) // what was answered is counted
	before := g.Status().Pools[0].Queries
	for _, conn := range g.Pool().AcquireAllIdle(ctx) {
		conn.Release()
	}
	if asked := g.Status().Pools[0].Queries - before; asked != 0 {
		t.Errorf("PostgreSQL was asked %d times", asked)
	}
	cfg := settings(g.upstream, func(c *weir.Config) { c.Pool.ClientIdleTimeout = brief })
	if err := g.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	until(t, "weir to close the connection", func() bool { return g.Status().Clients.Total == 0 })
	g.reload(t) // or the next one may be closed as well before it is used
	if _, err := g.Pool().Exec(ctx, "select 1"); err != nil {
		t.Errorf("the pool gave out a dead connection: %v", err)
	}
}

func TestShutdownLetsTransactionsOfTheDBFinish(t *testing.T) {
	t.Parallel()
	dsn := database(t)
	testpg.Exec(t, dsn, "create table rows (n int)")
	g := prepare(t, dsn)
	tx, err := g.DB().BeginTx(bounded(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	insert := func(n int) {
		if _, err := tx.ExecContext(bounded(t), "insert into rows values ($1)", n); err != nil {
			t.Fatal(err)
		}
	}
	insert(1)
	stopped := make(chan error, 1)
	go func() { stopped <- g.Shutdown(bounded(t)) }()
	until(t, "the handle to be closed", func() bool { return g.DB().PingContext(bounded(t)) != nil })
	insert(2)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if n := testpg.Exec(t, dsn, "select count(*) from rows")[0][0]; n != "2" {
		t.Errorf("%s rows were committed, want 2", n)
	}
}
