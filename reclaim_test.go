// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/testpg"
)

// giveDefaults are what gives settings the values that the session began with, out of
// weir's sight.
var giveDefaults = []string{
	"do $$begin reset work_mem; reset app.tenant; end$$",
	"do $$begin reset all; end$$",
	"do $$begin set work_mem to default; set app.tenant = default; set time zone default; end$$",
	"do $$begin set local work_mem to default; set local app.tenant = default; set local time zone local; end$$",
	"do $$begin perform set_config('work_mem', null, false); perform set_config('app.tenant', null, false); end$$",
	"do $$begin perform set_config('work_mem', null, true); perform set_config('app.tenant', null, true); end$$",
	"do $$begin execute 'reset ' || 'all'; end$$",
	"do $$begin reset role; end$$",
	"select resets()",
	"select gives(null)",
	"select gives('5MB')",
	"call ends()",
	"select 1 from set_config('app.tenant', null, false), set_config('work_mem', null, false)",
	"select 1 from set_config('app.tenant', 'x', false)",
}

// What a body gives its default is what the client began with, as with PostgreSQL
// alone: in the transaction too, and where the setting's name has a dot.
func TestDefaultsInBodiesAreThoseOfTheLogin(t *testing.T) {
	t.Parallel()
	server := database(t)
	testpg.Exec(t, server, "create function resets() returns int language plpgsql as $$begin reset all; return 1; end$$;"+
		"create function gives(v text) returns int language plpgsql as $$begin perform set_config('work_mem', v, false); return 1; end$$;"+
		"create procedure ends() language plpgsql as $$begin reset app.tenant; reset timezone; end$$")
	direct := &gateway{upstream: server}
	begins := []string{"options=-c app.tenant=mine -c work_mem=9MB", "TimeZone=Europe/Paris", "application_name=me"}
	const shown = "select current_setting('app.tenant', true), current_setting('work_mem'), current_setting('timezone'), current_setting('application_name')"
	say := map[string]func(s *settler, sql string) string{
		"simple": func(s *settler, sql string) string { return s.say(t, sql) },
		"extended": func(s *settler, sql string) string {
			r := s.conn.ExecParams(bounded(t), sql, nil, nil, nil, nil).Read()
			return fmt.Sprintf("%q %s %v", r.Rows, r.CommandTag, r.Err)
		},
	}
	for how, say := range say {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			g := open(t, server, poolOf(2))
			other := g.settler(t, g.url())
			first := other.say(t, shown)
			want, got := direct.settler(t, server, begins...), g.settler(t, g.url(), begins...)
			defer want.close(t)
			defer got.close(t)
			for _, sql := range giveDefaults {
				for _, steps := range [][]string{
					{sql, shown},
					{"set work_mem = '8MB'", "begin", sql, shown, "savepoint s", shown, "rollback to s", "set local work_mem = '7MB'", shown, "commit", shown},
					{"set app.tenant = 'theirs'", "begin", "savepoint s", sql, "show app.tenant", "rollback to s", shown, sql, shown, "select 1/0", "rollback", shown},
				} {
					for i, sql := range steps {
						if want, got := say(want, sql), say(got, sql); got != want {
							t.Errorf("%q, step %d: %s, directly %s", steps, i, got, want)
						}
					}
				}
			}
			for _, sql := range giveDefaults {
				if want, got := inOneWrite(t, want, how, "begin", sql, shown, "commit", shown), inOneWrite(t, got, how, "begin", sql, shown, "commit", shown); got != want {
					t.Errorf("%q, in one write: %s, directly %s", sql, got, want)
				}
			}
			if got := other.say(t, shown); got != first {
				t.Errorf("another client has\n%s\nwant\n%s", got, first)
			}
		})
	}
}

// inOneWrite sends statements without waiting for answers: in one group, or in one for
// each.
func inOneWrite(t *testing.T, s *settler, how string, statements ...string) string {
	t.Helper()
	pipeline := s.conn.StartPipeline(bounded(t))
	for _, sql := range statements {
		if pipeline.SendQueryParams(sql, nil, nil, nil, nil); how == "simple" {
			pipeline.SendPipelineSync()
		}
	}
	_ = pipeline.Sync()
	var out strings.Builder
	for {
		results, err := pipeline.GetResults()
		if results == nil && err == nil {
			break
		}
		switch r := results.(type) {
		case *pgconn.ResultReader:
			got := r.Read()
			fmt.Fprintf(&out, "%q %s %v\n", got.Rows, got.CommandTag, got.Err)
		case nil:
			fmt.Fprintln(&out, err)
		}
	}
	if err := pipeline.Close(); err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}
