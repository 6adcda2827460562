// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/audit"
	"github.com/weir-pg/weir/internal/session"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/testpg"
)

// hand is a session of PostgreSQL that stands for an upstream.
type hand struct {
	*testing.T
	conn  *pgconn.PgConn
	began map[string]string
}

// ask is Handover.Ask.
func (h *hand) ask(sql string) (map[string]string, error) {
	ctx, stop := context.WithTimeout(h.Context(), time.Minute)
	defer stop()
	results, err := h.conn.Exec(ctx, sql).ReadAll()
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return nil, &sqlstate.Error{Code: sqlstate.Code(e.Code), Message: e.Message}
	}
	rows := make(map[string]string)
	for _, r := range results {
		for _, row := range r.Rows {
			if len(row) > 1 && row[1] != nil {
				rows[strings.ToLower(string(row[0]))] = string(row[1])
			}
		}
	}
	return rows, err
}

// audit returns the differences from what is believed.
func (h *hand) audit(believed session.Handover) []string {
	h.Helper()
	believed.Ask, believed.Began = h.ask, h.began
	if believed.Settings == nil {
		believed.Settings = map[string]string{}
	}
	began, differences, err := audit.Compare(&believed)
	if err != nil {
		h.Fatal(err)
	}
	if h.began == nil {
		h.began = began
	}
	return differences
}

// take begins a session.
func take(t *testing.T, url string) *hand {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	h := &hand{T: t, conn: conn}
	if list := h.audit(session.Handover{}); list != nil {
		t.Fatalf("a session that nobody has used: %q", list)
	}
	return h
}

func (h *hand) do(sql string) {
	h.Helper()
	if _, err := h.ask(sql); err != nil {
		h.Fatalf("%s: %v", sql, err)
	}
}

// TestWhatIsLeftBehindIsFound leaves behind each kind of state that PostgreSQL has,
// of which weir believes nothing.
func TestWhatIsLeftBehindIsFound(t *testing.T) {
	t.Parallel()
	url := testpg.Database(t, testpg.URL(t))
	audit.Watch("app.test")
	testpg.Exec(t, url, "create sequence numbers; create role audited_by_weir; create table kept (n serial)")
	t.Cleanup(func() { testpg.Exec(t, url, "drop role audited_by_weir") })
	for name, tt := range map[string]struct{ sql, found string }{
		"a setting":                    {"set work_mem = '9MB'", "work_mem"},
		"one of a superuser's":         {"set dynamic_library_path = '/nowhere'; set role pg_monitor", "dynamic_library_path"},
		"a time limit":                 {"set statement_timeout = '1ms'", "statement_timeout"},
		"characteristics":              {"set session characteristics as transaction isolation level serializable, read only, deferrable", "default_transaction_isolation"},
		"a placeholder":                {"do $$begin perform set_config('app.'||'test', 'x', false); end$$", "app.test"},
		"a long one":                   {"select set_config('app.test', repeat('x', 1000000), false)", "app.test"},
		"a role":                       {"set role audited_by_weir", "role"},
		"an authorization":             {"set session authorization audited_by_weir", "session_user"},
		"a lock":                       {"select pg_advisory_lock(1, 2)", "locks"},
		"a temporary table":            {"create temp table t (n int)", "table t"},
		"a temporary function":         {"create function pg_temp.f() returns int language sql as 'select 1'", "function"},
		"a temporary table unseen":     {"set search_path = pg_temp, public; create table t (n int); reset search_path", "table t"},
		"a cursor":                     {"declare c cursor with hold for select 1", "cursors"},
		"a prepared statement":         {"prepare p as select 1", "no client's"},
		"one with a name like weir's":  {"prepare weir_1 as select 1", "no client's"},
		"a channel":                    {"listen news", "news"},
		"a library":                    {"load 'auto_explain'", "auto_explain"},
		"a sequence":                   {"insert into kept default values", "lastval"},
		"a sequence of another role's": {"select nextval('numbers'); set role audited_by_weir", "lastval"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := take(t, url)
			h.do(tt.sql)
			if list := strings.Join(h.audit(session.Handover{}), "; "); !strings.Contains(list, tt.found) {
				t.Errorf("after %s: %q, want %s", tt.sql, list, tt.found)
			}
		})
	}
}

// TestWhatIsBelievedIsCompared has weir believe rightly, and wrongly.
func TestWhatIsBelievedIsCompared(t *testing.T) {
	t.Parallel()
	h := take(t, testpg.Database(t, testpg.URL(t)))
	long := strings.Repeat("x", 10_000)
	h.do("set work_mem = '9MB'; set role pg_monitor; set app.test = '" + long + "'; set statement_timeout = 1")
	right := map[string]string{"work_mem": "9216", "role": "pg_monitor", "app.test": long, "statement_timeout": "1ms", "timezone": h.conn.ParameterStatus("TimeZone")}
	if list := h.audit(session.Handover{Settings: right}); list != nil {
		t.Errorf("what is believed is so, but differs: %q", list)
	}
	right["statement_timeout"] = "1" // as pg_settings says it
	if list := h.audit(session.Handover{Settings: right}); list != nil {
		t.Errorf("what is believed is so, but differs: %q", list)
	}
	for name, value := range map[string]string{"work_mem": "5120", "role": "none", "app.test": long + "y", "statement_timeout": "0", "datestyle": "German"} {
		wrong := map[string]string{name: value}
		if list := strings.Join(h.audit(session.Handover{Settings: wrong}), "; "); !strings.Contains(list, name+" is ") {
			t.Errorf("%s is believed to be %.20q: %.200q", name, value, list)
		}
	}
	if list := h.audit(session.Handover{Settings: right, Statements: []string{"weir_1"}}); len(list) != 1 {
		t.Errorf("a statement is believed to be there that is not: %q", list)
	}
}

// TestAnAuditLeavesNothing repeats audits in a session that makes them hard.
func TestAnAuditLeavesNothing(t *testing.T) {
	t.Parallel()
	h := take(t, testpg.Database(t, testpg.URL(t)))
	h.do("set session characteristics as transaction isolation level serializable, read only, deferrable; set search_path = pg_temp; set role pg_monitor")
	believed := session.Handover{Settings: map[string]string{
		"default_transaction_isolation": "serializable", "default_transaction_read_only": "on", "default_transaction_deferrable": "on",
		"search_path": "pg_temp", "role": "pg_monitor",
	}}
	for range 2 {
		if list := h.audit(believed); list != nil {
			t.Errorf("differences: %q", list)
		}
	}
}
