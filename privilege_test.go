// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// A client that was a role which may set more than the weir's login keeps what it has
// set, and nobody else has it or an error.
func TestWhatOnlyAnotherRoleMaySetStaysWithItsClient(t *testing.T) {
	t.Parallel()
	url := database(t)
	login := testpg.Role(t, url, "noinherit")
	user, _, _ := strings.Cut(strings.TrimPrefix(login, "postgres://"), ":")
	may, super := "may_"+user, "super_"+user
	testpg.Exec(t, url, "create role "+may+"; create role "+super+" superuser; grant set on parameter log_min_duration_statement, track_functions, auto_explain.log_min_duration to "+may+"; grant "+may+", "+super+` to `+user)
	t.Cleanup(func() { testpg.Exec(t, url, "drop owned by "+may+"; drop role "+may+", "+super) })
	testpg.Exec(t, url, `create function sets() returns void language plpgsql security definer as $$begin perform set_config('track_functions', 'pl', false); end$$`)
	const shown = "select concat_ws(' ', current_setting('log_min_duration_statement'), current_setting('track_functions'), current_user = session_user)"
	direct := &gateway{upstream: login}
	for name, tt := range map[string]struct{ set, end []string }{
		"granted":            {[]string{"set role may", "set log_min_duration_statement = 77777", "reset role"}, []string{"set role may; reset log_min_duration_statement; reset role"}},
		"in one text":        {[]string{"set role may; set log_min_duration_statement = 77777; reset role"}, []string{"reset all"}},
		"in a block":         {[]string{"begin", "set local role may", "select set_config('log_min_duration_statement', '77777', false)", "commit"}, []string{"reset all"}},
		"superuser":          {[]string{"set role super", "set track_functions = 'all'", "reset role"}, []string{"set role super", "set track_functions to default", "reset role"}},
		"not to be seen":     {[]string{"set role super; set dynamic_library_path = '/x'; reset role"}, []string{"reset all", "discard all"}},
		"not to be seen, do": {[]string{"set role super", "do $$begin set dynamic_library_path = '/x'; end$$", "reset role"}, []string{"discard all"}},
		"definer":            {[]string{"select sets()"}, []string{"reset all"}},
		"stays the role":     {[]string{"set role may", "set track_functions = 'all'"}, []string{"reset all", "reset role"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, login, poolOf(2))
			alone, one, other := direct.settler(t, login), g.settler(t, g.url()), g.connect(t)
			run := func(statements []string) {
				t.Helper()
				for _, sql := range statements {
					sql = strings.NewReplacer("role may", "role "+may, "role super", "role "+super).Replace(sql)
					if want, got := alone.say(t, sql), one.say(t, sql); got != want {
						t.Fatalf("%s: %s, directly %s", sql, got, want)
					}
					if want, got := alone.say(t, shown), one.say(t, shown); got != want {
						t.Fatalf("after %s: %s, directly %s", sql, got, want)
					}
					if got := answers(t, other, shown); got != "-1 none t" {
						t.Fatalf("after %s another client has %s", sql, got)
					}
				}
			}
			run(tt.set)
			g.pins(t, 1)
			if name == "not to be seen" {
				for _, c := range []string{alone.say(t, "set role "+super+"; show dynamic_library_path; reset role"), one.say(t, "set role "+super+"; show dynamic_library_path; reset role")} {
					if !strings.Contains(c, "/x") {
						t.Errorf("the path is %s", c)
					}
				}
			}
			run(tt.end)
			g.balanced(t)
		})
	}
}

// What a superuser sets follows it, though it is somebody else afterwards to whom
// PostgreSQL does not show it.
func TestWhatOnlyASuperuserSeesStaysWithItsClient(t *testing.T) {
	t.Parallel()
	url := database(t)
	for name, set := range map[string]string{
		"role":          "set dynamic_library_path = '/x'; set role pg_monitor; set role pg_signal_backend",
		"authorization": "set dynamic_library_path = '/x'; set session authorization pg_signal_backend",
		"in a block":    "begin; set session_preload_libraries = 'x'; set dynamic_library_path = '/x'; set role pg_signal_backend; commit",
		"before":        "set dynamic_library_path = '/x'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, url, poolOf(2))
			one, other := g.connect(t), g.connect(t)
			must(t, one, set)
			if name == "before" {
				must(t, one, "set role pg_signal_backend")
			}
			for range 2 {
				if got := ask(t, other, "select current_setting('dynamic_library_path') || current_user"); got != "$libdirpostgres" {
					t.Errorf("another client has %s", got)
				}
				if got := answers(t, one, "show dynamic_library_path"); got != "42501" {
					t.Errorf("the client sees %s", got)
				}
			}
			must(t, one, "reset session authorization; reset role")
			for range 2 {
				if got := ask(t, one, "show dynamic_library_path"); got != "/x" {
					t.Errorf("the client has %s", got)
				}
				if got := ask(t, other, "show dynamic_library_path"); got != "$libdir" {
					t.Errorf("another client has %s", got)
				}
			}
			g.balanced(t)
		})
	}
}

// A privilege may be taken away while a connection has what was set with it.
func TestPrivilegeThatIsTakenAwayIsMissedByItsClientAlone(t *testing.T) {
	t.Parallel()
	url := database(t)
	login := testpg.Role(t, url, "")
	user, _, _ := strings.Cut(strings.TrimPrefix(login, "postgres://"), ":")
	testpg.Exec(t, url, "grant set on parameter log_min_duration_statement to "+user)
	g := open(t, login, poolOf(1))
	one, other := g.connect(t), g.connect(t)
	must(t, one, "set log_min_duration_statement = 77777")
	g.balanced(t) // what it has set is known
	testpg.Exec(t, url, "revoke set on parameter log_min_duration_statement from "+user)
	for range 2 {
		if got := answers(t, other, "show log_min_duration_statement"); got != "-1" {
			t.Errorf("another client has %s", got)
		}
	}
	if got := answers(t, one, "show log_min_duration_statement"); got != "42501" {
		t.Errorf("the client has %s", got)
	}
	if got := answers(t, other, "show log_min_duration_statement"); got != "-1" {
		t.Errorf("another client has %s", got)
	}
}

// A SET that PostgreSQL refuses leaves nothing, so it keeps nobody on a connection.
func TestRefusedSettingsPinNobody(t *testing.T) {
	t.Parallel()
	url := database(t)
	login := testpg.Role(t, url, "noinherit")
	user, _, _ := strings.Cut(strings.TrimPrefix(login, "postgres://"), ":")
	testpg.Exec(t, url, "create role super_"+user+" superuser; grant super_"+user+" to "+user)
	t.Cleanup(func() { testpg.Exec(t, url, "drop role super_"+user) })
	g := open(t, login, poolOf(2))
	for name, tt := range map[string]struct {
		statements []string
		pinned     int
	}{
		"set":          {[]string{"set dynamic_library_path = '/x'"}, 0},
		"again":        {[]string{"set dynamic_library_path = '/x'", "set dynamic_library_path = '/x'", "set work_mem = '7MB'"}, 0},
		"set_config":   {[]string{"select set_config('dynamic_library_path', '/x', false)"}, 0},
		"reset":        {[]string{"reset dynamic_library_path"}, 0},
		"in a block":   {[]string{"begin", "set dynamic_library_path = '/x'", "rollback"}, 0},
		"savepoint":    {[]string{"begin", "savepoint a", "set dynamic_library_path = '/x'", "rollback to a", "commit"}, 0},
		"of another's": {[]string{"set role super", "set dynamic_library_path = '/x'", "reset role", "set dynamic_library_path = '/y'"}, 1},
		"with another": {[]string{"begin", "set role super", "set dynamic_library_path = '/x'", "reset role", "savepoint a", "set dynamic_library_path = '/y'", "rollback to a", "commit"}, 1},
		"in one text":  {[]string{"set role super; set dynamic_library_path = '/x'; commit; reset role; set dynamic_library_path = '/y'"}, 1},
	} {
		for _, form := range []string{"simple", "extended"} {
			if form == "extended" && name == "in one text" {
				continue
			}
			one := g.settler(t, g.url())
			t.Cleanup(func() { one.close(t) })
			for _, sql := range tt.statements {
				sql = strings.ReplaceAll(sql, "role super", "role super_"+user)
				if form == "simple" {
					_, _ = one.conn.Exec(bounded(t), sql).ReadAll()
				} else {
					_ = one.conn.ExecParams(bounded(t), sql, nil, nil, nil, nil).Read()
				}
			}
			until(t, fmt.Sprintf("%s %s to have %d pinned", form, name, tt.pinned), func() bool {
				s := g.Status()
				return s.Pools[0].Pinned == tt.pinned && s.Upstreams.Active == tt.pinned
			})
			one.close(t)
			g.balanced(t)
		}
	}
}
