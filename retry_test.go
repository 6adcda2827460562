// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
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

// killing runs a statement that takes long, ends its backend once it runs, and
// returns what the client got: the answers up to the next ReadyForQuery.
func killing(t *testing.T, g *gateway, r *raw, send func(sql string), sql string) string {
	t.Helper()
	send(sql)
	g.kill(t, sql)
	return r.transcript(t, 1)
}

// kill waits until a statement runs in the test's database, and ends its backend.
func (g *gateway) kill(t testing.TB, sql string) {
	t.Helper()
	until(t, "a backend to run "+sql, func() bool {
		return len(testpg.Exec(t, g.upstream, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep' and query = $$"+sql+"$$")) == 1
	})
}

// slowly is a function of each volatility that takes its time only the first time:
// a second run, on another connection, is quick. Its name says what to wait for.
const slowly = `
create sequence runs;
create function wait_once() returns int language plpgsql volatile as $$
begin
	if nextval('runs') = 1 then perform pg_sleep(300); end if;
	return 7;
end $$;
create function in_progress_stable() returns int language plpgsql stable as $$ begin return wait_once(); end $$;
create function in_progress_volatile() returns int language plpgsql volatile as $$ begin return wait_once(); end $$;
create view in_progress_view as select in_progress_volatile() as n;
create view in_progress_views as select n from in_progress_view;
create view in_progress_harmless as select in_progress_stable() as n;
create table in_progress_table (n int);
insert into in_progress_table values (7);
create function in_progress_seven(n int) returns boolean language plpgsql volatile as $$ begin return wait_once() = n; end $$;
alter table in_progress_table enable row level security;
create policy seven on in_progress_table using (in_progress_seven(n));
`

func TestOnlyWhatReadsIsAskedAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sql   string
		again bool
	}{
		{"select in_progress_stable()", true},
		{"table in_progress_harmless", true},
		{"with a as (select in_progress_stable() as n) select n from a", true},
		{"select in_progress_volatile()", false},
		{`select "in_progress_volatile"()`, false},
		{`select U&"in_progress_\0076olatile"()`, false},
		{"select n from in_progress_view", false},
		{"select n from in_progress_views", false},
		{"select in_progress_stable() from pg_class limit 1 for share", false},
		{"select in_progress_stable(), nextval('runs')", false},
		{"with a as (insert into in_progress_table values (in_progress_stable()) returning n) select n from a", false},
		{"explain analyze select in_progress_stable()", false},
		{"insert into in_progress_table values (in_progress_stable())", false},
		{"select in_progress_stable(); select 1", false},
		{"do 'begin perform in_progress_stable(); end'", false},
	} {
		t.Run(test.sql, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(2))
			testpg.Exec(t, g.upstream, slowly)
			r := g.raw(t)
			got := killing(t, g, r, func(sql string) { r.query(t, sql) }, test.sql)
			if again := strings.HasPrefix(got, "T D C"); again != test.again {
				t.Errorf("got %q; asked again is %t, want %t", got, again, test.again)
			}
			runs := testpg.Exec(t, g.upstream, "select last_value from runs")[0][0]
			if want := map[bool]string{true: "2", false: "1"}[test.again]; runs != want && !strings.Contains(test.sql, "nextval") {
				t.Errorf("it ran %s times, want %s", runs, want)
			}
			r.query(t, "select 1")
			if got := r.transcript(t, 1); got != "T D C Z(I)" {
				t.Errorf("afterwards the client got %q", got)
			}
			g.balanced(t)
		})
	}
}

func TestReadsOfTheExtendedProtocolAreAskedAgain(t *testing.T) {
	t.Parallel()
	for name, send := range map[string]func(t *testing.T, r *raw, sql string){
		"unnamed":       func(t *testing.T, r *raw, sql string) { r.send(t, group(sql)...) },
		"named at once": func(t *testing.T, r *raw, sql string) { r.send(t, groupNamed("s0", sql)...) },
		"named before": func(t *testing.T, r *raw, sql string) {
			r.send(t, prepareNamed("s0", sql)...)
			r.transcript(t, 1)
			r.send(t, executeNamed("s0")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(2))
			testpg.Exec(t, g.upstream, slowly)
			r := g.raw(t)
			got := killing(t, g, r, func(sql string) { send(t, r, sql) }, "select in_progress_stable()")
			if !strings.HasSuffix(got, "D C Z(I)") || strings.Contains(got, "E(") {
				t.Errorf("got %q", got)
			}
			if n := g.retried("read"); n != 1 {
				t.Errorf("%d retries were counted, want 1", n)
			}
			if name == "unnamed" {
				return
			}
			r.send(t, executeNamed("s0")...)
			if got := r.transcript(t, 1); got != "2 D C Z(I)" {
				t.Errorf("the statement is gone: %q", got)
			}
		})
	}
}

func TestAReadThatTakesPostgreSQLDownIsAskedAgainOnce(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	testpg.Exec(t, g.upstream, "create function in_progress() returns int language plpgsql stable as $$ begin perform pg_sleep(300); return 1; end $$")
	r := g.raw(t)
	for lost, want := range []uint64{1, 1} {
		r.query(t, "select in_progress()")
		for range 2 - lost {
			g.kill(t, "select in_progress()")
			if lost == 0 {
				until(t, "the statement to run again, or its end", func() bool { return g.retried("read") == 1 })
			}
		}
		if got := r.transcript(t, 1); !strings.HasSuffix(got, "E(57P01) Z(I)") {
			t.Errorf("got %q", got)
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
