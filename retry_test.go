// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// retried returns how often requests were sent again for a reason.
func (g *gateway) retried(reason string) uint64 { return g.Status().Pools[0].Retries[reason] }

// kill waits until a statement runs in the test's database, and ends its backend.
func (g *gateway) kill(t testing.TB, sql string) {
	t.Helper()
	until(t, "a backend to run "+sql, func() bool {
		return len(testpg.Exec(t, g.upstream, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and (wait_event = 'PgSleep' or wait_event_type = 'Lock') and query = $$"+sql+"$$")) == 1
	})
}

func TestReadsOfTheExtendedProtocolAreAskedAgain(t *testing.T) {
	t.Parallel()
	s := silence(t, "create table kept as select 7 as n")
	for name, c := range map[string]struct {
		sent []pgproto3.FrontendMessage
		want string
	}{
		"unnamed":       {group("select n from kept"), "1 2 D C Z(I)"},
		"named at once": {groupNamed("s0", "select n from kept"), "1 2 D C Z(I)"},
		"described":     {slices.Concat(preparing("", "select n from kept")[:2], running("", true)), "1 T 2 T D C Z(I)"},
	} {
		before := s.g.retried("read")
		if got := s.lose(t, c.sent...); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if n := s.g.retried("read") - before; n != 1 {
			t.Errorf("%s: %d retries were counted, want 1", name, n)
		}
	}
	if got, want := s.lose(t, executeNamed("s0")...), "2 D C Z(I)"; got != want {
		t.Errorf("named before: got %q, want %q", got, want)
	}
	s.g.balanced(t)
}

func TestAReadThatTakesPostgreSQLDownIsAskedAgainOnce(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	testpg.Exec(t, g.upstream, "create table gate (n int)")
	direct, err := pgx.Connect(bounded(t), g.upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = direct.PgConn().Conn().Close() })
	must(t, direct, "begin; lock table gate") // whoever reads it waits
	r := g.raw(t)
	for lost, want := range []uint64{1, 1} {
		r.query(t, "select n from gate")
		for range 2 - lost {
			g.kill(t, "select n from gate")
			if lost == 0 {
				until(t, "the statement to run again, or its end", func() bool { return g.retried("read") == 1 })
			}
		}
		// What was proven to read has an outcome; what was not asked about has none.
		if got, want := r.transcript(t, 1), []string{"E(57P01) Z(I)", "E(08007) Z(I)"}[lost]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if n := g.retried("read"); n != want {
			t.Errorf("it was asked again %d times, want %d", n, want)
		}
	}
}

func TestConflictsAreAskedAgain(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(4))
	testpg.Exec(t, g.upstream, `create table rows (id int primary key, n int); insert into rows select i, 0 from generate_series(1, 4) i;
		create sequence tries;
		create function conflict(times int) returns int language plpgsql as $$
		begin
			if nextval('tries') <= times then raise exception 'again' using errcode = '40001'; end if;
			return 7;
		end $$`)
	r := g.raw(t)
	r.query(t, "select conflict(2)")
	if got := r.transcript(t, 1); got != "T D C Z(I)" {
		t.Errorf("got %q", got)
	}
	if n := g.retried("conflict"); n != 2 {
		t.Errorf("%d retries were counted, want 2", n)
	}
	for _, sql := range []string{"select 1; select conflict(1000)", "call pg_catalog.nothing()", "do $$ begin perform conflict(1000); end $$", "select conflict(1000), pg_try_advisory_lock(1)"} {
		before := g.retried("conflict")
		r.query(t, sql)
		r.transcript(t, 1)
		if n := g.retried("conflict"); n != before {
			t.Errorf("%q was asked again", sql)
		}
	}
	r.query(t, "select conflict(1000)")
	if got := r.transcript(t, 1); !strings.Contains(got, "E(40001) Z(I)") {
		t.Errorf("after the last try the client got %q", got)
	}
}

func TestSerializableStatementsOfManyClientsAllSucceed(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(4), func(c *weir.Config) { c.Pool.RetryConflicts = true })
	testpg.Exec(t, g.upstream, "create table counters (id int primary key, n int); insert into counters values (1, 0)")
	const clients, each = 6, 20
	var failed sync.Map
	var wait sync.WaitGroup
	for i := range clients {
		conn := g.connect(t, "default_transaction_isolation=serializable")
		wait.Go(func() {
			for range each {
				if _, err := conn.Exec(bounded(t), "update counters set n = n + 1 where id = 1", pgx.QueryExecModeExec); err != nil {
					failed.Store(fmt.Sprint(i, err), true)
				}
			}
		})
	}
	wait.Wait()
	errors := 0
	failed.Range(func(k, _ any) bool {
		if !strings.Contains(k.(string), "40001") {
			t.Error(k)
		}
		errors++
		return true
	})
	n := testpg.Exec(t, g.upstream, "select n from counters")[0][0]
	if want := strconv.Itoa(clients*each - errors); n != want {
		t.Errorf("the counter is at %s after %s updates that succeeded and %d retries", n, want, g.retried("conflict"))
	}
}

// prepareNamed prepares a statement, executeNamed runs it, groupNamed does both.
func prepareNamed(name, sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Parse{Name: name, Query: sql}, &pgproto3.Sync{}}
}

func executeNamed(name string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}, &pgproto3.Sync{}}
}

func groupNamed(name, sql string) []pgproto3.FrontendMessage {
	return append([]pgproto3.FrontendMessage{&pgproto3.Parse{Name: name, Query: sql}}, executeNamed(name)...)
}
