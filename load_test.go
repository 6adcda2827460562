// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/testpg"
)

// A library that is loaded takes away the settings with its prefix that it does not
// know (PostgreSQL: MarkGUCPrefixReserved). They follow their client until then, on
// connections where somebody else has loaded it too, and disturb nobody.
func TestSettingsWithThePrefixOfALibraryFollowTheirClient(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create function f() returns int language plpgsql as $$begin return 1; end$$")
	direct := &gateway{upstream: url}
	const foo = "show plpgsql.extra_foo_warnings"
	for name, statements := range map[string][]string{
		"load":         {"set plpgsql.extra_foo_warnings = true", foo, "load 'plpgsql'", foo, "discard all", "select 1"},
		"load at once": {"set plpgsql.extra_foo_warnings = true; load 'plpgsql'", foo, "select 1"},
		"in a block":   {"begin", "set plpgsql.extra_foo_warnings = true", "load 'plpgsql'", "commit", foo},
		"do":           {"set plpgsql.extra_foo_warnings = true", "do $$begin end$$", "select 1"},
		"function":     {"set plpgsql.extra_foo_warnings = true", "select f()", "select 1"},
	} {
		t.Run(name, func(t *testing.T) {
			g := open(t, url, poolOf(2))
			one, other := g.settler(t, g.url()), g.settler(t, g.url())
			alone := direct.settler(t, url)
			for _, sql := range statements {
				if want, got := alone.say(t, sql), one.say(t, sql); got != want {
					t.Errorf("%s: %s, directly %s", sql, got, want)
				}
				if got := other.say(t, "select 1"); got != "SELECT 1 \"1\"\n" {
					t.Errorf("after %s another client gets %s", sql, got)
				}
			}
			for _, s := range []*settler{alone, one, other} {
				s.close(t)
			}
		})
	}
	t.Run("loaded by others", func(t *testing.T) {
		g := open(t, url, poolOf(1))
		one, other := g.settler(t, g.url()), g.settler(t, g.url())
		if got := one.say(t, "set plpgsql.extra_foo_warnings = true"); got != "SET\n" {
			t.Fatal(got)
		}
		for range 2 {
			if got := other.say(t, "do $$begin end$$"); got != "DO\n" {
				t.Fatalf("another client gets %s", got)
			}
			if got := one.say(t, foo); got != "SHOW \"true\"\n" {
				t.Errorf("the client gets %s", got)
			}
		}
		for _, s := range []*settler{one, other} {
			_ = s.conn.Close(bounded(t))
		}
	})
}

// PostgreSQL refuses temp_buffers where temporary tables were used, whoever did.
func TestTemporaryTablesOfOthersTakeNoSettingAway(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(1))
	for _, ends := range []string{"drop table t", "discard all", ""} {
		one, other := g.settler(t, g.url()), g.settler(t, g.url())
		one.say(t, "create temp table t as select 1")
		if ends == "" {
			one.close(t)
		} else {
			one.say(t, ends)
			if got := one.say(t, "set temp_buffers = 'x'"); !strings.HasPrefix(got, "22023 ") {
				t.Errorf("a value that is none: %s", got)
			}
			one.say(t, "create temp table t as select 1")
			one.say(t, ends)
		}
		if got := other.say(t, "set temp_buffers = 512"); got != "SET\n" {
			t.Errorf("after %q another client gets %s", ends, got)
		}
		if got := other.say(t, "show temp_buffers"); got != "SHOW \"4MB\"\n" {
			t.Errorf("after %q another client finds %s", ends, got)
		}
		other.close(t)
	}
}

// What an upstream refuses for its past, a client that begins with it, and one that has
// its connection for itself, gets on another.
func TestSettingsThatAConnectionRefusesForItsPastAreTriedOnAnother(t *testing.T) {
	t.Parallel()
	url := database(t)
	for _, mode := range []config.Mode{config.Transaction, config.Session} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := open(t, url, poolOf(2), func(c *weir.Config) { c.Pool.Mode = mode })
			first := g.connect(t)
			must(t, first, "do $$begin end$$") // loads the language
			if err := first.Close(bounded(t)); err != nil {
				t.Fatal(err)
			}
			g.balanced(t)
			one := g.settler(t, g.url(), "plpgsql.extra_foo_warnings=true")
			if got := one.say(t, "show plpgsql.extra_foo_warnings"); got != "SHOW \"true\"\n" {
				t.Errorf("the client gets %s", got)
			}
			one.close(t)
			g.balanced(t)
		})
	}
}

// Settings that PostgreSQL always refuses are refused, and cost nobody else a
// connection.
func TestSettingsThatAreAlwaysRefusedCloseNothing(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(4))
	var others []*pgx.Conn
	pids := make(map[string]bool)
	for range 4 {
		c := g.connect(t)
		must(t, c, "begin")
		pids[ask(t, c, "select pg_backend_pid()")] = true
		others = append(others, c)
	}
	for _, c := range others {
		must(t, c, "commit")
	}
	g.balanced(t)
	for _, param := range []string{"work_mem=no", "role=nobody_at_all", "no_such=1"} {
		for range 5 {
			if conn, err := g.try(t, param); err == nil {
				t.Errorf("%s is accepted", param)
				_ = conn.Close(bounded(t))
			}
		}
	}
	for _, c := range others {
		must(t, c, "begin")
		if pid := ask(t, c, "select pg_backend_pid()"); !pids[pid] {
			t.Errorf("a connection was replaced: %s is new", pid)
		}
	}
	for _, c := range others {
		must(t, c, "commit")
	}
}

// The first SET of a setting whose name a library has reserved for others is answered
// as in a session of the client's own.
func TestFirstSetOfANameThatOthersHaveReserved(t *testing.T) {
	t.Parallel()
	url := database(t)
	direct := &gateway{upstream: url}
	for _, sql := range []string{"set plpgsql.extra_foo_warnings = true", "set plpgsql.extra_foo_warnings to 'x'", "set plpgsql.check_asserts = off", `set "plpgsql.a b" = 1`} {
		for _, form := range []string{"simple", "extended"} {
			t.Run(sql+" "+form, func(t *testing.T) {
				t.Parallel()
				g := open(t, url, poolOf(1))
				other := g.connect(t)
				must(t, other, "do $$begin end$$")
				one, alone := g.settler(t, g.url()), direct.settler(t, url)
				run := one.say
				if form == "extended" {
					run = func(t *testing.T, sql string) string {
						r := one.conn.ExecParams(bounded(t), sql, nil, nil, nil, nil).Read()
						if r.Err != nil {
							return r.Err.Error()
						}
						return r.CommandTag.String() + "\n"
					}
				}
				want, got := alone.say(t, sql), run(t, sql)
				refused := form == "extended" && strings.Contains(got, "42602") && strings.Contains(want, "42602")
				if want != got && !refused {
					t.Errorf("%s, directly %s", got, want)
				}
				must(t, other, "do $$begin end$$")
				one.close(t)
				alone.close(t)
				g.balanced(t)
			})
		}
	}
}
