// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// What a session shows that depends on the defaults of its role and database.
const defaultsShown = "select concat_ws('|', current_setting('timezone'), current_setting('work_mem'), current_setting('datestyle'), coalesce(current_setting('app.tenant', true), ''))"

// Clients that log in after ALTER DATABASE or ALTER ROLE have the new defaults, in
// what they are greeted with and in what they run; those who were there before keep
// what they began with, as with PostgreSQL alone.
func TestChangedDefaultsAreThoseOfNewClients(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]func(t *testing.T, g *gateway, sql string){
		"beside weir":  func(t *testing.T, g *gateway, sql string) { t.Helper(); testpg.Exec(t, g.upstream, sql) },
		"through weir": func(t *testing.T, g *gateway, sql string) { t.Helper(); must(t, g.connect(t), sql) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := database(t)
			g := open(t, server, poolOf(2))
			old := g.connect(t, "application_name=old")
			whole := "database " + ask(t, old, "select quote_ident(current_database())")
			const began, first = "Etc/UTC|4MB|ISO, MDY|", "Asia/Tokyo|5MB|German, DMY|mine"
			shows(t, old, "before anything changes", began)
			newcomer := func(want string) {
				t.Helper()
				greeted := ""
				until(t, "a newcomer to be greeted with "+want, func() bool {
					c := g.connect(t)
					defer func() { _ = c.Close(bounded(t)) }()
					greeted = c.PgConn().ParameterStatus("TimeZone") + " " + ask(t, c, defaultsShown)
					return greeted == want
				})
				if greeted != want {
					t.Errorf("a newcomer is greeted with %s, want %s", greeted, want)
				}
			}
			newcomer("Etc/UTC " + began)
			alter(t, g, "alter "+whole+" set timezone = 'Asia/Tokyo'")
			alter(t, g, "alter "+whole+" set app.tenant = 'mine'")
			alter(t, g, "alter "+whole+" set work_mem = '5MB'")
			alter(t, g, "alter role postgres in "+whole+" set datestyle = 'German, DMY'")
			newcomer("Asia/Tokyo " + first)
			between := g.connect(t)
			shows(t, between, "between two changes", first)
			shows(t, old, "after a change", began)
			must(t, old, "set timezone = 'Europe/Berlin'; set work_mem = '7MB'")
			shows(t, old, "after its own SET", "Europe/Berlin|7MB|ISO, MDY|")
			alter(t, g, "alter role postgres in "+whole+" set timezone = 'Asia/Seoul'")
			alter(t, g, "alter "+whole+" reset work_mem")
			newcomer("Asia/Seoul Asia/Seoul|4MB|German, DMY|mine")
			for range 2 {
				shows(t, between, "after the second change", first)
				shows(t, old, "after the second change", "Europe/Berlin|7MB|ISO, MDY|")
			}
			must(t, old, "reset all")
			must(t, between, "set work_mem = '1MB'; reset work_mem")
			shows(t, old, "after RESET ALL", began)
			shows(t, between, "after RESET", first)
			must(t, old, "set datestyle = sql")
			must(t, old, "discard all")
			shows(t, old, "after DISCARD ALL", began)
		})
	}
}

func shows(t *testing.T, conn *pgx.Conn, when, want string) {
	t.Helper()
	if got := ask(t, conn, defaultsShown); got != want {
		t.Errorf("%s %q has %s, want %s", when, conn.Config().RuntimeParams["application_name"], got, want)
	}
}

// PostgreSQL gives what postgresql.conf says now to sessions that are open, and
// newcomers are greeted with it.
func TestNewcomersAreGreetedWithANewConfiguration(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{}).URL()
	g := open(t, server, poolOf(2))
	old := g.connect(t)
	before := ask(t, old, "show datestyle")
	testpg.Exec(t, server, "alter system set datestyle = 'German, DMY'")
	testpg.Exec(t, server, "select pg_reload_conf()")
	until(t, "a newcomer to be greeted with German dates", func() bool {
		c := g.connect(t)
		defer func() { _ = c.Close(bounded(t)) }()
		return c.PgConn().ParameterStatus("DateStyle") == "German, DMY" && ask(t, c, "show datestyle") == "German, DMY"
	})
	if got := ask(t, old, "show datestyle"); got != "German, DMY" || before == got {
		t.Errorf("a client that was there has %s, and had %s", got, before)
	}
}

// TestAStatementTimeoutOfPostgreSQLsComesBeforeWeirs gives one to the role, the
// database, and all of the server, while weir's connections have weir's own.
func TestAStatementTimeoutOfPostgreSQLsComesBeforeWeirs(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{}).URL()
	g := open(t, server, poolOf(2))
	old := g.connect(t)
	shown := func(c *pgx.Conn) string { return ask(t, c, "show statement_timeout") }
	newcomer := func(want string) {
		t.Helper()
		got := ""
		until(t, "a newcomer to have "+want, func() bool {
			g.reload(t, poolOf(2))
			c := g.connect(t)
			defer func() { _ = c.Close(bounded(t)) }()
			got = shown(c)
			return got == want
		})
		if now := shown(old); now != "30s" {
			t.Errorf("who was there before has %s, want 30s", now)
		}
	}
	newcomer("30s")
	for _, step := range [][2]string{
		{"alter role postgres set statement_timeout = '15s'", "15s"},
		{"alter role postgres reset statement_timeout", "30s"},
		{"alter database postgres set statement_timeout = '16s'", "16s"},
		{"alter role postgres set statement_timeout = 0", "0"},
		{"alter role postgres reset all; alter database postgres reset all", "30s"},
	} {
		testpg.Exec(t, server, step[0])
		newcomer(step[1])
	}
	testpg.Exec(t, server, "alter system set statement_timeout = '17s'")
	testpg.Exec(t, server, "select pg_reload_conf()")
	newcomer("17s")
}
