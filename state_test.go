// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Two clients take turns on one connection to PostgreSQL. What one sets, it
// finds again, and the other does not see.
func TestSettingsFollowTheirClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ set, show, want, other string }{
		"set":           {"set work_mem = '7MB'", "show work_mem", "7MB", "4MB"},
		"set in a list": {"set client_min_messages to warning; set statement_timeout = 1234", "show statement_timeout", "1234ms", "30s"},
		"search path":   {"set search_path = pg_catalog, public", "show search_path", "pg_catalog, public", `"$user", public`},
		"empty path":    {"select pg_catalog.set_config('search_path', '', false)", "show search_path", "", `"$user", public`},
		"reported":      {"set time zone 'Asia/Tokyo'", "show timezone", "Asia/Tokyo", "Etc/UTC"},
		"interval zone": {"set time zone interval '+09:00' hour to minute", "show timezone", "<+09>-09", "Etc/UTC"},
		"rolled back":   {"begin; set work_mem = '7MB'; rollback", "show work_mem", "4MB", "4MB"},
		"local":         {"begin; set local work_mem = '7MB'; commit", "show work_mem", "4MB", "4MB"},
		"reset":         {"set work_mem = '7MB'; reset work_mem", "show work_mem", "4MB", "4MB"},
		"reset all":     {"set work_mem = '7MB'; reset all", "show work_mem", "4MB", "4MB"},
		"role":          {"set role pg_monitor", "select current_user", "pg_monitor", "postgres"},
		"set_config":    {"select set_config('app.tenant', 'me', false)", "select coalesce(current_setting('app.tenant', true), '')", "me", ""},
		"custom":        {"set app.tenant = 'it''s \\ me'", "select coalesce(current_setting('app.tenant', true), '')", `it's \ me`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(1))
			one, other := g.connect(t, "timezone=Etc/UTC"), g.connect(t, "timezone=Etc/UTC")
			must(t, one, c.set)
			for range 2 {
				if got := ask(t, other, c.show); got != c.other {
					t.Errorf("the other client has %q, want %q", got, c.other)
				}
				if got := ask(t, one, c.show); got != c.want {
					t.Errorf("the client has %q, want %q", got, c.want)
				}
			}
		})
	}
}

func TestResetGoesBackToWhatTheClientStartedWith(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	one, other := g.connect(t, "work_mem=9MB"), g.connect(t)
	for _, sql := range []string{"set work_mem = '7MB'; reset work_mem", "set work_mem = '7MB'; reset all", "discard all"} {
		must(t, one, sql)
		if got := ask(t, other, "show work_mem"); got != "4MB" {
			t.Errorf("after %q the other client has %q", sql, got)
		}
		if got := ask(t, one, "show work_mem"); got != "9MB" {
			t.Errorf("after %q the client has %q, want 9MB", sql, got)
		}
	}
}

// What cannot follow keeps its connection, and never reaches another client.
func TestWhatCannotFollowKeepsItsConnection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ leave, find, want, other string }{
		"temporary table": {"create temp table t as select 1 as n", "select n::text from t", "1", "42P01"},
		"into temp":       {"select 1 as n into temp t", "select n::text from t", "1", "42P01"},
		"advisory lock":   {"select pg_advisory_lock(7)", "select pg_try_advisory_lock(7)::text", "true", "false"},
		"prepare":         {"prepare p as select 'mine'", "execute p", "mine", "26000"},
		"with hold":       {"begin; declare c cursor with hold for select 'mine'; commit", "fetch c", "mine", "34000"},
		"currval":         {"create sequence s; select nextval('s'), currval('s')", "select currval('s')::text", "1", "55000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, database(t), poolOf(2))
			one, other := g.connect(t), g.connect(t)
			must(t, one, c.leave)
			answer := func(who string) string {
				conn := one
				if who == "other" {
					conn = other
				}
				var got string
				if err := conn.QueryRow(t.Context(), c.find).Scan(&got); err != nil {
					return code(err)
				}
				return got
			}
			if got := answer("one"); got != c.want {
				t.Errorf("the client finds %q, want %q", got, c.want)
			}
			if got := answer("other"); got != c.other {
				t.Errorf("the other client finds %q, want %q", got, c.other)
			}
			// When they leave, their connections are as new for the next.
			for _, conn := range []*pgx.Conn{one, other} {
				if err := conn.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			until(t, "the connection to be given back", func() bool { return g.Status().Upstreams.Active == 0 })
			third := g.connect(t)
			if err := third.QueryRow(t.Context(), c.find).Scan(new(string)); err == nil && !strings.Contains(name, "lock") {
				t.Error("a later client found it")
			}
		})
	}
}
