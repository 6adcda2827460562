// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// givesUpTheRole are what takes a session back to the role that it began with,
// some of it out of weir's sight.
var givesUpTheRole = []string{
	"do $$begin reset role; end$$",
	"do $$begin execute 'reset role'; end$$",
	"do $$begin execute 'res' || 'et role'; end$$",
	"do $$begin set role to default; end$$",
	"do $$begin perform set_config('role', null, false); end$$",
	"do $$begin execute 'select set_config($1, null, false)' using 'role'; end$$",
	"do $$begin reset session authorization; end$$",
	"do $$begin set session authorization default; end$$",
	"do $$begin reset role; perform set_config('app.who', current_user, false); end$$",
	"do $$begin set role pg_monitor; reset role; end$$",
	"select set_config('role', null, false)",
	"select set_config('role', null, true)",
	"select resets()",
	"call ends()",
	"begin; select resets(); rollback",
	"do $$begin set role none; end$$",
	"set role none",
	"reset role",
	"set role pg_monitor",
	"do $$begin set role pg_monitor; end$$",
	"discard all",
	"reset session authorization",
	"set session authorization pg_monitor",
}

// A client that logs in as a role comes back to that role, as with PostgreSQL alone,
// whatever resets it: not to the role of weir's own login, which may do more.
func TestResetsComeBackToTheRoleOfTheLogin(t *testing.T) {
	t.Parallel()
	server := database(t)
	testpg.Exec(t, server, "create function resets() returns void language plpgsql as $$begin reset role; end$$")
	testpg.Exec(t, server, "create procedure ends() language plpgsql as $$begin reset session authorization; reset role; end$$")
	direct := &gateway{upstream: server}
	const shown = "select current_user, session_user, current_setting('role'), current_setting('app.who', true), current_setting('log_statement'), current_setting('work_mem')"
	for name, begins := range map[string][]string{
		"role":          {"options=-c role=pg_read_all_stats"},
		"parameter":     {"Role=pg_read_all_stats", "log_statement=ddl", "work_mem=9MB"},
		"authorization": {"options=-c session_authorization=pg_read_all_stats -c log_statement=ddl"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, server, poolOf(2))
			other := g.settler(t, g.url())
			first := other.say(t, shown)
			for _, sql := range givesUpTheRole {
				for _, steps := range [][]string{{sql}, {"begin", sql, "commit"}} {
					want, got := direct.settler(t, server, begins...), g.settler(t, g.url(), begins...)
					for _, sql := range append([]string{shown}, steps...) {
						for _, sql := range []string{sql, shown} {
							if want, got := want.say(t, sql), got.say(t, sql); got != want {
								t.Errorf("%v: %s:\n%s\ndirectly:\n%s", steps, sql, got, want)
							}
						}
						if got := other.say(t, shown); got != first && want.status() == 'I' {
							t.Errorf("%v: another client has\n%s\nwant\n%s", steps, got, first)
						}
					}
					want.close(t)
					got.close(t)
				}
			}
		})
	}
}
