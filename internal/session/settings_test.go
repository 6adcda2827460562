// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

func TestUnreadableOptionsAreRefusedAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"-c":          "invalid command-line argument for server process: -c",
		"-x y":        "invalid command-line argument for server process: -x",
		"-c work_mem": "-c work_mem requires a value",
		"--work_mem":  "--work_mem requires a value",
	}
	for options, want := range tests {
		_, err := startSettings(&auth.Login{Params: []wire.Param{{Name: "options", Value: options}}})
		e, ok := errors.AsType[*sqlstate.Error](err)
		if !ok || e.Code != sqlstate.SyntaxError || e.Severity != sqlstate.SeverityFatal || e.Message != want {
			t.Errorf("%q: got %v, want %s", options, err, want)
		}
	}
}

func TestClientWithoutANameHasNone(t *testing.T) {
	t.Parallel()
	for want, params := range map[string][]wire.Param{
		"":     {{Name: "client_encoding", Value: "UTF8"}},
		"shop": {{Name: "application_name", Value: "shop"}},
		"cart": {{Name: "options", Value: "-c application_name=cart"}},
	} {
		s, err := startSettings(&auth.Login{Params: params})
		if got, ok := s.values()["application_name"]; err != nil || !ok || got != want {
			t.Errorf("%v: got application_name %q (%v), %v, want %q", params, got, ok, err, want)
		}
	}
}

func TestOnlySettingsThatMatterAreInAKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		settings map[string]string
		want     string
	}{
		{nil, ""},
		{map[string]string{"application_name": "a", "statement_timeout": "1", "work_mem": "4MB", "default_transaction_read_only": "on"}, ""},
		{map[string]string{"application_name": "a", "timezone": "UTC"}, "timezone\x00UTC\x00"},
		{map[string]string{"role": "bob", "enable_seqscan": "off", "app.tenant": "7", "lock_timeout": "1"}, "app.tenant\x007\x00enable_seqscan\x00off\x00role\x00bob\x00"},
	} {
		if got := settingsOf(tt.settings).meaning(); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.settings, got, tt.want)
		}
	}
}

func TestOnlyWhatMayChangeAMeaningMakesItUnsure(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"select 1": false, "begin": false, "commit": false, "insert into t values (1)": false, "set transaction read only": false,
		"set local statement_timeout to 1": false, "set local lock_timeout = '1s'; select 2": false,
		"select set_config('work_mem', '1MB', true)": false, "select nextval('s')": false, "select pg_advisory_lock(1)": false,
		"set local search_path to a": true, "set local time zone 'UTC'": true, "select 1; set local role bob": true,
		"select set_config('app.tenant', $1, true)": true, "select set_config($1, $2, true)": true,
		"set timezone to 'UTC'": true, "reset all": true, "create temp table t (n int)": true, "alter table t add b int": true,
		"do $$ begin end $$": true, "call p()": true, "discard temp": true, "update pg_settings set setting = 'x'": true,
	} {
		e := effectOf([]byte(text), 0)
		if got := e.alters(); got != want {
			t.Errorf("%s: alters %t, want %t", text, got, want)
		}
	}
}

// PostgreSQL lists its settings once, however many are kept: each listing takes as long
// as a hundred statements, and more of them would be compiled.
func TestSettingsAreListedOnce(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 300 {
		names = append(names, "app.k"+strconv.Itoa(i), "k"+strconv.Itoa(i))
	}
	if n := strings.Count((&lore{}).keepSettings("", "true", names, settingsOf(nil)), "FROM pg_catalog.pg_settings"); n != 1 {
		t.Errorf("pg_settings is read %d times", n)
	}
}
