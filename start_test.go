// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/testpg"
)

func TestSettingsThatOnlyAStartCanSet(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	plain := g.connect(t)
	for _, params := range [][]string{
		{"log_disconnections=on"},
		{"options=-clog_disconnections=on", "TimeZone=Asia/Tokyo"},
		{"LOG_DISCONNECTIONS=on", "application_name=own"},
	} {
		own := g.connect(t, params...)
		if got := ask(t, own, "show log_disconnections"); got != "on" {
			t.Errorf("%v: the client has %q", params, got)
		}
		must(t, own, "discard all")
		if got := ask(t, own, "show log_disconnections"); got != "on" {
			t.Errorf("%v: after DISCARD ALL the client has %q", params, got)
		}
		if got := ask(t, plain, "show log_disconnections"); got != "off" {
			t.Errorf("%v: another client has %q", params, got)
		}
	}
	if zone := ask(t, g.connect(t, "log_disconnections=on", "TimeZone=Asia/Tokyo"), "show timezone"); zone != "Asia/Tokyo" {
		t.Errorf("a setting beside has the value %q", zone)
	}
	want := []string{"postgres", "postgres (log_disconnections=on)"}
	if got := g.pools(); !slices.Equal(got, want) {
		t.Errorf("pools %q, want %q", got, want)
	}
}

func TestLibrariesAreLoadedAtTheStart(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t), poolOf(1))
	if got := ask(t, g.connect(t, "session_preload_libraries=auto_explain"), "select count(*) from pg_settings where name = 'auto_explain.log_min_duration' and short_desc <> ''"); got != "1" {
		t.Error("the library is not loaded")
	}
	if _, err := g.try(t, "session_preload_libraries=no_such_library"); code(err) != "58P01" {
		t.Errorf("a library that is not there: got %v, want 58P01", err)
	}
}

func TestSettingsThatPostgreSQLRefusesAtTheStart(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.Role(t, database(t), ""))
	for _, c := range []struct{ param, want string }{
		{"log_disconnections=maybe", "42501"},
		{"log_disconnections=on", "42501"},
		{"post_auth_delay=-1", "22023"},
		{"ignore_system_indexes=no_such", "22023"},
		{"no_such_setting=1", "42704"},
		{"max_connections=7", "55P02"},
		{"work_mem=much", "22023"},
	} {
		direct, _ := directly(t, g.upstream, c.param)
		if _, err := g.try(t, c.param); code(err) != c.want || direct != c.want {
			t.Errorf("%s: got %v, want %s; directly it is %s", c.param, err, c.want, direct)
		}
	}
}

// directly returns the SQLSTATE of a login to PostgreSQL itself.
func directly(t *testing.T, upstream, param string) (string, error) {
	t.Helper()
	conn, err := pgconn.Connect(bounded(t), upstream+"&"+param)
	if err != nil {
		return code(err), err
	}
	return "", conn.Close(bounded(t))
}
