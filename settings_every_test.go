// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
)

// leftOut are settings of context user that this test leaves out, and why.
var leftOut = map[string]string{
	"transaction_deferrable": "is one transaction's",
	"transaction_isolation":  "is one transaction's",
	"transaction_read_only":  "is one transaction's",
	"client_encoding":        "the driver would have to follow it",
}

// another returns a value that a setting may have beside its own.
func (s setting) another(name string) string {
	if v, ok := special[name]; ok {
		return v
	}
	switch s.kind {
	case "bool":
		return map[bool]string{true: "off", false: "on"}[s.value == "on"]
	case "enum":
		for _, v := range slices.Backward(s.allowed) {
			if v != s.value {
				return v
			}
		}
	case "integer", "real":
		for _, v := range []float64{s.low + 3, s.low + 1, s.high, s.low} {
			if text := strconv.FormatFloat(v, 'f', -1, 64); v >= s.low && v <= s.high && text != s.value {
				return text
			}
		}
	}
	return "another"
}

// special are values of settings that take few, or that would have the session end.
var special = map[string]string{
	"DateStyle": "German, YMD", "TimeZone": "Asia/Tokyo", "timezone_abbreviations": "India", "search_path": "pg_catalog, another",
	"default_table_access_method": "heap", "default_tablespace": "pg_default", "temp_tablespaces": "pg_default", "default_text_search_config": "pg_catalog.german",
	"lc_messages": "POSIX", "lc_monetary": "POSIX", "lc_numeric": "POSIX", "lc_time": "POSIX", "local_preload_libraries": "another",
	"createrole_self_grant": "set", "statement_timeout": "600000", "lock_timeout": "600000", "transaction_timeout": "600000",
	"idle_session_timeout": "600000", "idle_in_transaction_session_timeout": "600000", "client_connection_check_interval": "60000",
	"tcp_keepalives_count": "9", "tcp_keepalives_idle": "7200", "tcp_keepalives_interval": "75", "tcp_user_timeout": "600000",
	"default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on", "client_min_messages": "error", "debug_parallel_query": "off", "force_parallel_mode": "off",
	"restrict_nonsystem_relation_kind": "view", "debug_discard_caches": "0", "default_toast_compression": "pglz", "vacuum_buffer_usage_limit": "1024",
}

// Whatever settings there are that anybody may set, their owner keeps them and
// another client on the same connection has its own.
func TestEverySettingFollowsItsClient(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1), func(c *weir.Config) { c.Pool.StatementTimeout = 0 })
	owner, other := g.connect(t), g.connect(t)
	began := everySetting(t, other)
	var set []string
	for name, s := range began {
		if leftOut[name] == "" {
			set = append(set, "set_config('"+name+"', '"+s.another(name)+"', false)")
		}
	}
	slices.Sort(set)
	for list := range slices.Chunk(set, 50) { // functions take so many arguments, and so do rows
		must(t, owner, "select "+strings.Join(list, ", "))
	}
	changed := everySetting(t, owner)
	tried := 0
	for name, s := range changed {
		if s.value != began[name].value {
			tried++
		} else if special[name] == "" && leftOut[name] == "" {
			t.Errorf("%s: %q is what it is anyway", name, s.value)
		}
	}
	if tried < len(began)*8/10 {
		t.Errorf("only %d of %d settings were changed", tried, len(began))
	}
	for range 2 {
		sameSettings(t, "another client", everySetting(t, other), began)
		sameSettings(t, "their owner", everySetting(t, owner), changed)
	}
	must(t, owner, "reset all")
	sameSettings(t, "after RESET ALL their owner", everySetting(t, owner), began)
}

// setting is one of context user.
type setting struct {
	kind, value string
	allowed     []string
	low, high   float64
}

// everySetting returns those of a client.
func everySetting(t *testing.T, conn *pgx.Conn) map[string]setting {
	t.Helper()
	results, err := conn.PgConn().Exec(bounded(t), `select name, vartype, coalesce(array_to_string(enumvals, ' '), ''), coalesce(min_val, '0'), coalesce(max_val, '0'), setting
		from pg_catalog.pg_settings where context = 'user'`).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]setting)
	for _, row := range results[0].Rows {
		s := setting{kind: string(row[1]), value: string(row[5]), allowed: strings.Fields(string(row[2]))}
		s.low, _ = strconv.ParseFloat(string(row[3]), 64)
		s.high, _ = strconv.ParseFloat(string(row[4]), 64)
		all[string(row[0])] = s
	}
	if len(all) < 100 {
		t.Fatalf("only %d settings", len(all))
	}
	return all
}

func sameSettings(t *testing.T, who string, got, want map[string]setting) {
	t.Helper()
	for name := range want {
		if got[name].value != want[name].value {
			t.Errorf("%s has %s = %q, want %q", who, name, got[name].value, want[name].value)
		}
	}
}

// Settings that pg_settings does not list.
func TestSettingsThatAreNotListedFollowTheirClient(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	owner, other := g.connect(t), g.connect(t)
	must(t, owner, "set app.tenant = 'mine'; set role pg_monitor; set session authorization pg_read_all_stats")
	const shown = "select concat_ws(' ', session_user, current_user, current_setting('role'), current_setting('app.tenant', true))"
	for range 2 {
		if got := strings.TrimSpace(ask(t, other, shown)); got != "postgres postgres none" {
			t.Errorf("another client has %q", got)
		}
		if got := ask(t, owner, shown); got != "pg_read_all_stats pg_read_all_stats none mine" {
			t.Errorf("their owner has %q", got)
		}
	}
}
