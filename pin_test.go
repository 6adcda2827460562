// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// pins waits until n clients are pinned, and nobody else holds a connection.
func (g *gateway) pins(t testing.TB, n int) {
	t.Helper()
	until(t, strconv.Itoa(n)+" to be pinned", func() bool {
		s := g.Status()
		return s.Pools[0].Pinned == n && s.Upstreams.Active == n
	})
}

// forms are the ways in which a client can send statements.
var forms = map[string]func(t testing.TB, conn *pgx.Conn, statements ...string){
	"simple": func(t testing.TB, conn *pgx.Conn, statements ...string) {
		for _, sql := range statements {
			must(t, conn, sql)
		}
	},
	"one text": func(t testing.TB, conn *pgx.Conn, statements ...string) {
		must(t, conn, strings.Join(statements, ";"))
	},
	"extended": func(t testing.TB, conn *pgx.Conn, statements ...string) {
		for _, sql := range statements {
			if _, err := conn.Exec(bounded(t), sql, pgx.QueryExecModeExec); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	},
	"prepared": func(t testing.TB, conn *pgx.Conn, statements ...string) {
		for _, sql := range statements {
			if _, err := conn.Exec(bounded(t), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	},
}

// inEachForm runs a test once for each way to send statements.
func inEachForm(t *testing.T, test func(t *testing.T, run func(testing.TB, *pgx.Conn, ...string))) {
	for name, run := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, run)
		})
	}
}

// states are the kinds of state that pin: what makes it, what shows it with which
// answer or error, to its own client and to others, and what ends it.
var states = map[string]struct {
	make              []string
	find, mine, other string
	end               []string
}{
	"advisory lock":   {[]string{"select pg_advisory_lock(7)"}, "select pg_advisory_unlock(8)::text || pg_try_advisory_xact_lock(7)", "falsetrue", "falsefalse", []string{"select pg_advisory_unlock(7)"}},
	"shared lock":     {[]string{"select pg_try_advisory_lock_shared(1, 7)"}, "select pg_try_advisory_xact_lock(1, 7)::text", "true", "false", []string{"select pg_advisory_unlock_all()"}},
	"temporary table": {[]string{"create temp table t as select 'mine' as n"}, "select n from t", "mine", "42P01", []string{"drop table t"}},
	"select into":     {[]string{"begin", "select 'mine' as n into temp t", "commit"}, "select n from t", "mine", "42P01", []string{"begin", "alter table t add x int", "drop table t", "commit"}},
	"temporary type":  {[]string{"create type pg_temp.t as (n text)"}, "select (to_regtype('pg_temp.t') is not null)::text", "true", "false", []string{"drop type pg_temp.t"}},
	"discard temp":    {[]string{"create temp view t as select 'mine' as n"}, "select n from t", "mine", "42P01", []string{"discard temp"}},
	"prepare":         {[]string{"prepare p as select 'mine'"}, "execute p", "mine", "26000", []string{"deallocate p"}},
	"prepares":        {[]string{"prepare p as select 'mine'", "prepare q as select 1"}, "execute p", "mine", "26000", []string{"deallocate all"}},
	"with hold":       {[]string{"begin", "declare c scroll cursor with hold for select 'mine'", "commit"}, "fetch first c", "mine", "34000", []string{"close c"}},
	"close all":       {[]string{"declare c scroll cursor with hold for select 'mine'"}, "fetch first c", "mine", "34000", []string{"close all"}},
	"do":              {[]string{"do $$ begin perform pg_advisory_lock(7); end $$"}, "select pg_try_advisory_xact_lock(7)::text", "true", "false", []string{"do $$ begin perform pg_advisory_unlock(7); end $$"}},
	"several":         {[]string{"create temp table t as select 'mine' as n", "select pg_advisory_lock(9)"}, "select n from t", "mine", "42P01", []string{"select pg_advisory_unlock(9)", "drop table t"}},
	"discard all":     {[]string{"prepare p as select 'mine'", "select pg_advisory_lock(9)"}, "execute p", "mine", "26000", []string{"discard all"}},
}

// answers is the answer of a question, or the SQLSTATE of its error.
func answers(t testing.TB, conn *pgx.Conn, sql string) string {
	t.Helper()
	results, err := conn.PgConn().Exec(bounded(t), sql).ReadAll()
	if err != nil {
		return code(err)
	}
	return string(results[0].Rows[0][0])
}

// Two clients share two connections. What one makes is there for it after each
// statement of the other, for whom it is not; and when it has ended, so has the
// pin.
func TestPinsLastAsLongAsWhatTheyKeep(t *testing.T) {
	t.Parallel()
	inEachForm(t, func(t *testing.T, run func(testing.TB, *pgx.Conn, ...string)) {
		for name, c := range states {
			t.Run(name, func(t *testing.T) {
				g := open(t, database(t), poolOf(2))
				one, other := g.connect(t), g.connect(t)
				for range 2 {
					for _, sql := range c.make {
						run(t, one, sql)
						if got := answers(t, other, c.find); got != c.other {
							t.Errorf("after %q the other client finds %q, want %q", sql, got, c.other)
						}
					}
					g.pins(t, 1)
					if got := answers(t, one, c.find); got != c.mine {
						t.Errorf("the client finds %q, want %q", got, c.mine)
					}
					g.pins(t, 1)
					run(t, one, c.end...)
					g.pins(t, 0)
				}
			})
		}
	})
}

// What a transaction did not leave behind pins nobody.
func TestWhatLeftNothingPinsNobody(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{
		"lock not got":          {"select pg_try_advisory_lock(7)"},
		"lock given back":       {"select pg_advisory_lock(8), pg_advisory_unlock(8)"},
		"lock of a transaction": {"begin", "select pg_advisory_xact_lock(8)", "commit"},
		"no such function":      {"select pg_advisory_lock(8, 9, 10)"},
		"table rolled back":     {"begin", "create temp table t (n int)", "rollback"},
		"table dropped":         {"begin", "create temp table t (n int) on commit drop", "commit"},
		"table in vain":         {"create temp table t as select 1/0"},
		"cursor rolled back":    {"begin", "declare c cursor with hold for select 1", "rollback"},
		"cursor closed":         {"begin", "declare c cursor with hold for select 1", "close c", "commit"},
		"prepared in vain":      {"prepare p as select nothing"},
		"do":                    {"do $$ begin perform 1; end $$"},
		"syntax error":          {"make me a table"},
		"unlock":                {"select pg_advisory_unlock(7)"},
		"asyncpg":               {"SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;"},
		"npgsql":                {"SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP"},
		"discard all":           {"discard all"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(4)) // of which two may be pinned
			one, other := g.connect(t), g.connect(t)
			must(t, other, "select pg_advisory_lock(7)")
			g.pins(t, 1)
			for _, sql := range statements {
				_ = exec(t, one, sql) // some fail
			}
			g.pins(t, 1)
		})
	}
}

// Drivers that pool send these when a connection goes back.
func TestResetBatchesUnpin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ leave, reset string }{
		"asyncpg":             {"select pg_advisory_lock(7); declare c cursor with hold for select 1; set work_mem = '7MB'", "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;"},
		"npgsql":              {"create temp table t (n int); select pg_advisory_lock(7); prepare p as select 1; create sequence s; select nextval('s'), currval('s')", "DISCARD ALL"},
		"npgsql, prepared":    {"create temp table t (n int); select pg_advisory_lock(7); create sequence s; select nextval('s'), currval('s')", "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP"},
		"sequences":           {"create sequence s; select nextval('s'), currval('s')", "DISCARD SEQUENCES"},
		"what nothing undoes": {"select setseed(0.5)", "DISCARD ALL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(2))
			one := g.connect(t)
			must(t, one, c.leave)
			g.pins(t, 1)
			must(t, one, c.reset)
			g.pins(t, 0)
			if got := ask(t, g.connect(t), "show work_mem"); got != "4MB" {
				t.Errorf("work_mem is %s", got)
			}
		})
	}
}

// transactions returns how many transactions a pinned client's backend has begun.
func transactions(t testing.TB, conn *pgx.Conn) int {
	t.Helper()
	return number(t, conn, "select split_part(virtualtransaction, '/', 2) from pg_locks where pid = pg_backend_pid() and locktype = 'virtualxid'")
}

func TestProbesRunOnlyWhereAReasonMayHaveEnded(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	conn := g.connect(t)
	must(t, conn, "create table rows (n int)")
	must(t, conn, "select pg_advisory_lock(7)")
	for _, c := range []struct {
		sql    string
		probes int
	}{
		{"insert into rows values (1)", 0},
		{"alter table rows add x int", 0 + 1}, // and once for what functions there are
		{"select pg_advisory_lock(7)", 0},
		{"close all", 0},
		{"select pg_advisory_unlock(8)", 1},
		{"create temp table t (n int)", 1 + 1},
		{"alter table rows add y int", 1 + 1},
	} {
		before := transactions(t, conn)
		must(t, conn, c.sql)
		if got := transactions(t, conn) - before - 2; got != c.probes {
			t.Errorf("after %q weir asked %d times, want %d", c.sql, got, c.probes)
		}
	}
}

// What the body of a function does is in no text: that it does so can be declared.
func TestDeclaredFunctionsPinAsTheirBodiesDo(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2), func(c *weir.Config) {
		c.SessionFunctions = []string{"app.take", `"Give"`, "choose"}
		c.PinFunctions = []string{"app.seed"}
	})
	testpg.Exec(t, g.upstream, `create schema app;
		create function app.take() returns void language plpgsql as 'begin perform pg_advisory_lock(7); end';
		create function "Give"() returns void language plpgsql as 'begin perform pg_advisory_unlock(7); end';
		create procedure choose() language plpgsql as 'begin perform set_config(''work_mem'', ''7MB'', false); end';
		create function app.seed() returns void language sql as 'select setseed(0.5)'`)
	inEachForm(t, func(t *testing.T, run func(testing.TB, *pgx.Conn, ...string)) {
		one, other := g.connect(t), g.connect(t)
		run(t, one, "call choose()")
		if mine, others := ask(t, one, "show work_mem"), ask(t, other, "show work_mem"); mine != "7MB" || others != "4MB" {
			t.Errorf("work_mem is %s, and the other client's %s", mine, others)
		}
	})
	for _, c := range []struct{ begin, end string }{
		{"select app.take()", `select "Give"()`},
		{"set search_path = app", "reset search_path"}, // pins nobody
		{"select * from app . SEED ()", "discard all"},
	} {
		conn := g.connect(t)
		must(t, conn, c.begin)
		if !strings.HasPrefix(c.begin, "set") {
			g.pins(t, 1)
		}
		must(t, conn, c.end)
		g.pins(t, 0)
	}
}

// weir's own statement_timeout is taken off a pinned client once, and never becomes
// a setting of the client's.
func TestAPinnedClientKeepsItsOwnStatementTimeout(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{"": "30s", "set statement_timeout = 0": "0", "set statement_timeout = 7000": "7s"} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(2))
			conn := g.connect(t)
			must(t, conn, "select pg_advisory_lock(7)")
			must(t, conn, "set work_mem = '7MB'")
			must(t, conn, set)
			must(t, conn, "select pg_advisory_unlock(7)")
			g.pins(t, 0)
			for range 2 {
				if got := ask(t, conn, "show statement_timeout"); got != want {
					t.Errorf("statement_timeout is %s, want %s", got, want)
				}
				if got := ask(t, g.connect(t), "show statement_timeout"); got != "30s" {
					t.Errorf("another client's statement_timeout is %s", got)
				}
			}
		})
	}
}
