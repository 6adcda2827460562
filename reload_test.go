// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/testpg"
)

// reload has the gateway go on with the settings of a test, changed.
func (g *gateway) reload(t testing.TB, change ...func(*weir.Config)) {
	t.Helper()
	if err := g.Reload(settings(g.upstream, change...)); err != nil {
		t.Fatalf("reload: %v", err)
	}
}

// user is one who may log in, under a role of their own.
func user(name, password, role, rolePassword string) func(*weir.Config) {
	return func(c *weir.Config) {
		c.Users = append(c.Users, config.User{Name: name, Password: password, UpstreamUser: role, UpstreamPassword: rolePassword})
	}
}

// as returns the gateway's URL for another user and database.
func (g *gateway) as(t testing.TB, name, password, database string) string {
	t.Helper()
	u, err := url.Parse(g.url())
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword(name, password), "/"+database
	return u.String()
}

// login connects with a URL.
func login(t testing.TB, url string) (*pgx.Conn, error) {
	t.Helper()
	conn, err := pgx.Connect(bounded(t), url)
	if err == nil {
		t.Cleanup(func() { _ = conn.PgConn().Conn().Close() })
	}
	return conn, err
}

// TestReloadUnderLoad raises and lowers the limit of a pool under 20 clients in
// transactions. None is dropped, none sees an error.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	const clients, rounds = 20, 30
	var wait sync.WaitGroup
	for range clients {
		conn := g.connect(t)
		wait.Go(func() {
			for range rounds {
				for _, sql := range []string{"begin", "select 1", "commit", "select 2"} {
					if err := exec(t, conn, sql); err != nil {
						t.Errorf("%s: %v", sql, err)
						return
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wait.Wait()
		close(done)
	}()
	for n := 0; ; n++ {
		// Every tenth time the connections have to be replaced too.
		g.reload(t, poolOf(1+n%5), func(c *weir.Config) { c.Pool.StatementTimeout = time.Duration(20+n/10) * time.Second })
		select {
		case <-done:
			if s := g.Status(); s.Clients.Total != clients {
				t.Errorf("%d clients are left of %d", s.Clients.Total, clients)
			}
			g.balanced(t)
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAHigherMaximumServesThoseWhoWaitAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	release := hold(t, g)
	waiting := g.raw(t)
	waiting.query(t, "select 1")
	until(t, "one to wait", func() bool { return g.Status().Waiting == 1 })
	g.reload(t, poolOf(5))
	if got, want := waiting.transcript(t, 1), "T D C Z(I)"; got != want {
		t.Errorf("the one who waited got %q, want %q", got, want)
	}
	if p := g.Status().Pools[0]; p.Max != 5 {
		t.Errorf("the status says a limit of %d, want 5", p.Max)
	}
	release()
}

// TestAHigherMaximumLetsMoreClientsBePinned: max_pinned is a share of the pool.
func TestAHigherMaximumLetsMoreClientsBePinned(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	must(t, g.connect(t), "create temp table t (n int)")
	waiting := g.raw(t)
	waiting.query(t, "select 1") // so that there is a connection to wait with
	waiting.transcript(t, 1)
	waiting.query(t, "create temp table t (n int)")
	until(t, "one to wait for a place", func() bool { return g.Status().Waiting == 1 })
	g.reload(t, poolOf(4))
	if got, want := waiting.transcript(t, 1), "C Z(I)"; got != want {
		t.Errorf("the one who waited got %q, want %q", got, want)
	}
}

// TestARotatedPassword changes the password of the role under its clients.
func TestARotatedPassword(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	role := testpg.Role(t, admin, "")
	g := open(t, role, poolOf(2))
	conn := g.connect(t)
	must(t, conn, "begin")
	u, err := url.Parse(role)
	if err != nil {
		t.Fatal(err)
	}
	testpg.Exec(t, admin, "alter role "+u.User.Username()+" password 'rotated'")
	u.User = url.UserPassword(u.User.Username(), "rotated")
	if err := g.Reload(settings(u.String(), poolOf(2))); err != nil {
		t.Fatal(err)
	}
	must(t, conn, "commit")
	first := ask(t, conn, "select pg_backend_pid()")
	if ask(t, conn, "select pg_backend_pid()") != first {
		t.Error("connections are replaced although they are new already")
	}
	if _, err := g.try(t); code(err) != "28P01" {
		t.Errorf("a client with the old password got %v, want 28P01", err)
	}
	g.upstream = u.String()
	if got := ask(t, g.connect(t), "select 'in'"); got != "in" {
		t.Errorf("a client with the new password got %q", got)
	}
}

func TestAFailedReloadChangesNothing(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(3))
	conn := g.connect(t)
	must(t, conn, "select 1")
	for name, c := range map[string]struct {
		change func(*weir.Config)
		want   string
	}{
		"certificate": {func(c *weir.Config) { c.ClientTLS.Cert, c.ClientTLS.Key = "/nowhere", "/nowhere" }, "/nowhere"},
		"clients":     {func(c *weir.Config) { c.MaxClients = 1 << 30 }, "max_clients"},
		"upstream":    {func(c *weir.Config) { c.Upstream = "postgres://%zz" }, "upstream"},
	} {
		err := g.Reload(settings(g.upstream, c.change, poolOf(9)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error about %s", name, err, c.want)
		}
		s := g.Status()
		if s.Reload.Error == "" || s.Reload.At.IsZero() || s.Pools[0].Max != 3 {
			t.Errorf("%s: the status says %+v and a limit of %d", name, s.Reload, s.Pools[0].Max)
		}
	}
	if got := ask(t, g.connect(t), "select 'served'"); got != "served" {
		t.Errorf("got %q", got)
	}
	g.reload(t, poolOf(9))
	if s := g.Status(); s.Reload.Error != "" || s.Pools[0].Max != 9 || fmt.Sprint(s.Reload.Changed) != "[pool.max]" {
		t.Errorf("after a good one the status says %+v and a limit of %d", s.Reload, s.Pools[0].Max)
	}
}

// TestARemovedUserFinishesAndLeaves takes a user out of the settings, and puts
// them back.
func TestARemovedUserFinishesAndLeaves(t *testing.T) {
	t.Parallel()
	url := database(t)
	u := parse(t, url).User
	password, _ := u.Password()
	ann, bob := user("ann", "a", u.Username(), password), user("bob", "b", u.Username(), password)
	g := open(t, url, ann, bob)
	name := strings.TrimPrefix(parse(t, url).Path, "/")
	var conns []*pgx.Conn
	for _, u := range []string{g.as(t, "ann", "a", name), g.as(t, "bob", "b", name), g.as(t, "bob", "b", name)} {
		conn, err := login(t, u)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	stays, busy, idle := conns[0], hijack(t, conns[1].PgConn()), hijack(t, conns[2].PgConn())
	busy.query(t, "begin; select 1")
	busy.transcript(t, 1)
	g.reload(t, ann)
	if got, want := idle.transcript(t, 1), "E(57P01) EOF"; got != want {
		t.Errorf("an idle client of the removed user got %q, want %q", got, want)
	}
	busy.commitsAndGoes(t, "create table kept (n int)")
	if n := testpg.Exec(t, url, "select count(*) from kept")[0][0]; n != "0" {
		t.Errorf("%s rows", n)
	}
	if _, err := login(t, g.as(t, "bob", "b", name)); code(err) != "28P01" {
		t.Errorf("the removed user's login got %v, want 28P01", err)
	}
	must(t, stays, "select 1")
	g.reload(t, ann, bob)
	again, err := login(t, g.as(t, "bob", "b", name))
	if err != nil {
		t.Fatalf("the user who is back: %v", err)
	}
	must(t, again, "select 1")
}

func TestARemovedDatabaseIsGoneAndComesBack(t *testing.T) {
	t.Parallel()
	url := database(t)
	name := strings.TrimPrefix(parse(t, url).Path, "/")
	databases := func(names ...string) func(*weir.Config) {
		return func(c *weir.Config) {
			for _, n := range names {
				c.Databases = append(c.Databases, config.Database{Name: n, Database: name})
			}
		}
	}
	g := open(t, url, databases("one", "two"))
	password, _ := parse(t, url).User.Password()
	as := func(name string) string { return g.as(t, parse(t, url).User.Username(), password, name) }
	conn, err := login(t, as("two"))
	if err != nil {
		t.Fatal(err)
	}
	idle := hijack(t, conn.PgConn())
	g.reload(t, databases("one", "three"))
	if got, want := idle.transcript(t, 1), "E(57P01) EOF"; got != want {
		t.Errorf("a client of the removed database got %q, want %q", got, want)
	}
	if _, err := login(t, as("two")); code(err) != "3D000" {
		t.Errorf("a login there got %v, want 3D000", err)
	}
	g.reload(t, databases("two", "three"))
	for _, n := range []string{"two", "three"} {
		conn, err := login(t, as(n))
		if err != nil {
			t.Fatal(err)
		}
		must(t, conn, "select 1")
	}
}

// TestAMovedUpstreamKeepsItsClients points a pool elsewhere: transactions end
// where they began, the next ones are at the new place.
func TestAMovedUpstreamKeepsItsClients(t *testing.T) {
	t.Parallel()
	from, to := database(t), database(t)
	g := open(t, from, poolOf(1))
	busy, idle := g.connect(t), g.connect(t)
	before := ask(t, busy, "select current_database()")
	must(t, busy, "begin")
	must(t, busy, "select 1")
	waiting := g.raw(t)
	waiting.query(t, "select 1")
	until(t, "one to wait", func() bool { return g.Status().Waiting == 1 })
	moved := func(c *weir.Config) {
		c.Databases = []config.Database{{Name: before, Upstream: to, Database: strings.TrimPrefix(parse(t, to).Path, "/")}}
	}
	g.reload(t, poolOf(2), moved)
	if got, want := waiting.transcript(t, 1), "T D C Z(I)"; got != want {
		t.Errorf("the one who waited got %q, want %q", got, want)
	}
	if got := ask(t, busy, "select current_database()"); got != before {
		t.Errorf("in its transaction a client is in %q, want %q", got, before)
	}
	must(t, busy, "commit")
	for _, conn := range []*pgx.Conn{busy, idle} {
		if got := ask(t, conn, "select current_database()"); got == before {
			t.Error("after the reload a client is where it was")
		}
	}
	g.balanced(t)
	deserted(t, from)
}

func TestTransactionModeLetsGoOfSessions(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1), sessionMode)
	one := g.connect(t)
	must(t, one, "set work_mem = '7MB'")
	g.reload(t, poolOf(1))
	until(t, "the connection to be let go of", func() bool { return g.Status().Upstreams.Active == 0 })
	if got := ask(t, g.connect(t), "show work_mem"); got != "4MB" {
		t.Errorf("the next client has a work_mem of %s", got)
	}
	if got := ask(t, one, "show work_mem"); got != "7MB" {
		t.Errorf("the client has a work_mem of %s", got)
	}
}

func TestNewTimeoutsHoldForThoseWhoAreThere(t *testing.T) {
	t.Parallel()
	g := table(t)
	r := g.raw(t)
	r.query(t, "begin; insert into rows values (1)")
	r.transcript(t, 1)
	g.reload(t, poolOf(1), idleTransactionTimeout)
	if got, want := r.transcript(t, 1), "E(25P03) EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestARotatedCertificateIsServed(t *testing.T) {
	t.Parallel()
	first, oldRoot := certified(t)
	g := open(t, testpg.URL(t), first)
	held := g.connect(t, "sslmode=verify-full", "sslrootcert="+oldRoot)
	second, newRoot := certified(t)
	g.reload(t, second)
	secured(t, g, "sslmode=verify-full", "sslrootcert="+newRoot, "channel_binding=require")
	if _, err := g.try(t, "sslmode=verify-full", "sslrootcert="+oldRoot); err == nil {
		t.Error("the old certificate is still served")
	}
	must(t, held, "select 1")
}

func TestSettingsThatNeedARestartAreNamed(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	for range 2 { // it stays so until the restart
		g.reload(t, func(c *weir.Config) { c.MaxLogins = 7 })
		if got := fmt.Sprint(g.Status().Reload.Restart); got != "[max_logins]" {
			t.Errorf("got %s, want max_logins", got)
		}
	}
}

func TestAClosedGatewayDoesNotReload(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	g.end(t)
	if err := g.Reload(settings(g.upstream)); err == nil {
		t.Error("it did")
	}
}

func parse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
