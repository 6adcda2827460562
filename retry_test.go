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

// TestWhatNoRollbackUndoesIsNotAskedAgain: PostgreSQL undoes a statement that has
// failed, but not what it has written elsewhere.
func TestWhatNoRollbackUndoesIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, `create extension dblink; create extension moddatetime; create extension file_fdw; create table rows (n int); create table plain (n int, at timestamp);
		create trigger changes before update on plain for each row execute function moddatetime(at);
		insert into plain values (1);
		create function fails() returns int language plpgsql as $$begin raise exception 'again' using errcode = '40001'; end$$;
		create function asks() returns text language sql as $$select dblink_exec('', 'insert into rows values (1)')$$;
		create function writes_log() returns int language plpgsql as $$begin perform pg_catalog.pg_logical_emit_message(false, 'a', 'b'); return 1; end$$;
		create function runs() returns int language plpgsql as $$begin copy rows to program 'cat'; return 1; end$$;
		create function chosen() returns int language plpgsql as $$begin execute 'select pg_switch_wal()'; return 1; end$$;
		create function outer_asks() returns text language plpgsql as $$begin return asks(); end$$;
		create function answers() returns trigger language plpgsql as $$begin perform asks(); return new; end$$;
		create table triggers (n int); create trigger t before insert on triggers for each row execute function answers();
		create table defaults (n int, by text default asks());
		create table own_defaults (n int, by pg_lsn default pg_logical_emit_message(false, 'a', 'b'));
		create operator @@@ (rightarg = text, function = dblink_exec);
		create domain checked as int check (asks() is not null);
		create aggregate summed (text) (sfunc = dblink_exec, stype = text, initcond = '');
		create view seen as select dblink_exec('', 'insert into rows values (1)') as n;
		create view seen_own as select pg_logical_emit_message(false, 'a', 'b') as n;
		create server files foreign data wrapper file_fdw; create foreign table programs (n int) server files options (program 'echo 1');
		create table parent (n int) partition by range (n); create foreign table child partition of parent for values from (1) to (2) server files options (program 'echo 1');
		create function harmless() returns int language plpgsql as $$begin perform pg_advisory_xact_lock(1), pg_sleep(0), pg_notify('a', ''), gen_random_uuid(), clock_timestamp(); insert into plain values (2); return 1; end$$;
		create function grants() returns int language plpgsql as $$begin grant select on plain to public; return 1; end$$;
		create function comments() returns int language sql as 'comment on table plain is ''x''; select 1';
		create function defined() returns event_trigger language plpgsql as $$begin perform asks(); end$$;
		create event trigger defined on ddl_command_end execute function defined()`)
	g := open(t, url, poolOf(2))
	r := g.raw(t)
	for sql, again := range map[string]bool{
		"select fails(), dblink_exec('', 'insert into rows values (1)')": false,
		"select fails(), asks()":                                        false,
		"select fails(), outer_asks()":                                  false,
		"select fails(), writes_log()":                                  false,
		"select fails(), runs()":                                        false,
		"select fails(), chosen()":                                      false,
		"select fails(), pg_terminate_backend(0)":                       false,
		`select fails(), "pg_switch_wal" ()`:                            false,
		"select fails(), lo_export(1, '/nowhere')":                      false,
		"insert into triggers select fails()":                           false,
		"insert into defaults select fails()":                           false,
		"insert into own_defaults select fails()":                       false,
		"select fails(), @@@ ''":                                        false,
		"select fails(), 1::checked":                                    false,
		"select fails(), summed('')":                                    false,
		"select fails() as n into made from seen":                       false,
		"select fails(), n from seen":                                   false,
		"select fails(), n from seen_own":                               false,
		"select fails(), n from programs":                               false,
		"select fails(), n from parent":                                 false,
		"select fails(), grants()":                                      false,
		"select fails(), comments()":                                    false,
		"select fails()":                                                true,
		"select fails(), harmless()":                                    true,
		"update plain set n = fails()":                                  true,
		"insert into plain (n) values (1), (fails())":                   true,
		"select fails(), nextval(pg_get_serial_sequence('plain', 'n'))": true,
	} {
		for form, sent := range map[string][]pgproto3.FrontendMessage{"simple": simple(sql), "extended": group(sql)} {
			before := g.retried("conflict")
			r.send(t, sent...)
			got := r.transcript(t, 1)
			if n := g.retried("conflict") - before; n > 0 != again || again && !strings.Contains(got, "E(40001)") {
				t.Errorf("%s, %s: asked again %d times, and got %q", sql, form, n, got)
			}
		}
	}
	g.balanced(t)
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
