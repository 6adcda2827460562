// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// With pg_temp in front of the search_path, no word in the text says that what is
// made is temporary.
func TestWhatTheSearchPathMakesTemporaryReachesNobodyElse(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, `create table foo (n int);
		create function makes() returns void language plpgsql set search_path = pg_temp, public as $$begin create table foo (n int); end$$;
		create function makes_here() returns void language plpgsql as $$begin create table foo (n int); end$$`)
	const find = "select count(*)::text from foo"
	for name, statements := range map[string][]string{
		"set":                 {"set search_path = pg_temp, public", "create table foo (n int)"},
		"in one text":         {"set search_path = pg_temp, public; create table foo (n int)"},
		"set_config":          {"select set_config('search_path', 'pg_temp, public', false)", "create table foo as select 1 as m"},
		"for the transaction": {"begin; set local search_path = pg_temp, public; create table foo (n int); commit"},
		"select into":         {"set search_path = pg_temp, public", "select 1 as m into foo"},
		"view":                {"set search_path = pg_temp, public", "create view foo as select 1 as m"},
		"body":                {"select makes()"},
		"body, from outside":  {"set search_path = pg_temp, public", "select makes_here()"},
		"do":                  {"do $$begin perform set_config('search_path', 'pg_temp, public', true); create table foo (n int); end$$"},
		"at login":            {"create table foo (n int)"},
		"of the role":         {"create table foo (n int)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := url
			var params []string
			switch name {
			case "at login":
				params = []string{"search_path=pg_temp, public"}
			case "of the role":
				url = database(t)
				testpg.Exec(t, url, "create table foo (n int); do $$begin execute format('alter role postgres in database %I set search_path = pg_temp, public', current_database()); end$$")
			}
			g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
			one, other := g.connect(t, params...), g.connect(t)
			for _, sql := range statements {
				must(t, one, sql)
			}
			g.pins(t, 1)
			if got := answers(t, other, "select relpersistence::text from pg_class where oid = 'foo'::regclass"); got != "p" {
				t.Errorf("the other client finds a table that is %q", got)
			}
			if got := answers(t, one, find); strings.Contains(got, "42") {
				t.Errorf("the client gets %s", got)
			}
		})
	}
}
