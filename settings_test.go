// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/wire"
)

// started is what the clients of the interleaved tests begin with.
var started = []string{"work_mem=9MB", "search_path=app, public", "timezone=Asia/Tokyo", "application_name=mine", "client_encoding='utf-8'"}

// settingsSQL shows every setting that the scripts below touch.
const settingsSQL = `select current_setting('work_mem'), current_setting('search_path'), current_setting('TimeZone'),
	current_setting('application_name'), current_setting('statement_timeout'), current_setting('default_transaction_isolation'),
	current_setting('lock_timeout'), coalesce(current_setting('app.tenant', true), ''), current_user, session_user,
	current_setting('client_encoding'), current_setting('DateStyle'), current_setting('extra_float_digits')`

// settingScripts are what a client does to its settings, a simple query or a
// pipeline ("|" between its statements) at a time.
var settingScripts = map[string][]string{
	"set":                   {"set work_mem = '7MB'", "set session statement_timeout = 1234"},
	"set a list":            {"set search_path = pg_catalog, \"$user\", app", "set datestyle = german, dmy"},
	"empty path":            {"select pg_catalog.set_config('search_path', '', false)"},
	"set and reset":         {"set work_mem = '7MB'", "reset work_mem"},
	"reset reported":        {"set timezone = 'Europe/Berlin'", "reset timezone", "set application_name = 'other'", "reset application_name"},
	"to default":            {"set work_mem = '7MB'; set search_path = pg_catalog", "set work_mem to default", "set search_path = default"},
	"zones":                 {"set time zone 'Europe/Berlin'", "set time zone local", "set time zone interval '+05:30' hour to minute", "set time zone default"},
	"names":                 {"set names 'LATIN1'", "set names"},
	"reset all":             {"set work_mem = '7MB'; set timezone = 'Europe/Berlin'; set lock_timeout = 77", "reset all"},
	"discard all":           {"set work_mem = '7MB'; set search_path = pg_catalog", "set timezone = 'Europe/Berlin'", "discard all", "set work_mem = '8MB'"},
	"in a block":            {"begin", "set work_mem = '7MB'", "reset timezone", "reset work_mem", "set lock_timeout = 77", "commit"},
	"rolled back":           {"begin", "set work_mem = '7MB'", "set timezone = 'Europe/Berlin'", "reset search_path", "rollback"},
	"reset, rolled back":    {"set work_mem = '7MB'; set timezone = 'Europe/Berlin'", "begin", "reset all", "rollback"},
	"to a savepoint":        {"begin", "set work_mem = '7MB'", "savepoint a", "set work_mem = '8MB'; set timezone = 'Europe/Berlin'", "reset work_mem", "rollback to a", "commit"},
	"failed block":          {"begin", "set timezone = 'Europe/Berlin'; set work_mem = '7MB'", "select 1/0", "commit"},
	"failed query":          {"set work_mem = '7MB'; set timezone = 'Europe/Berlin'; select 1/0"},
	"local":                 {"begin", "set local work_mem = '7MB'; set local timezone = 'Europe/Berlin'", "set local work_mem to default", "set local time zone local", "commit"},
	"local and lasting":     {"begin", "set local timezone = 'Europe/Berlin'", "set work_mem = '7MB'", "commit"},
	"lasting under local":   {"begin", "set timezone = 'Europe/Berlin'", "set local timezone = 'Europe/Paris'", "commit"},
	"set_config":            {"select set_config('work_mem', '7MB', false), set_config('app.tenant', 'me', false)", "reset app.tenant"},
	"set_config, local":     {"begin", "select set_config('work_mem', '7MB', true), set_config('timezone', 'Europe/Berlin', true)", "commit"},
	"pg_settings":           {"update pg_settings set setting = '7168' where name = 'work_mem'", "update pg_settings set setting = reset_val where name = 'lock_timeout'"},
	"do":                    {"do $$ begin perform set_config('work_mem', '7MB', false); end $$"},
	"characteristics":       {"set session characteristics as transaction isolation level serializable", "reset default_transaction_isolation"},
	"role":                  {"set role pg_monitor", "set work_mem = '7MB'", "reset role"},
	"role in a block":       {"begin", "set role pg_monitor", "savepoint a", "set role pg_read_all_stats", "rollback to a", "commit", "set role none"},
	"role, local":           {"begin", "set local role pg_monitor", "commit"},
	"authorization":         {"set session authorization pg_monitor", "set role pg_read_all_stats", "set work_mem = '7MB'", "reset session authorization"},
	"authorization, ended":  {"set session authorization pg_monitor", "set session authorization default"},
	"identity, discarded":   {"set session authorization pg_monitor", "discard all"},
	"pipeline":              {"set work_mem = '7MB' | select 1 | reset work_mem | reset timezone | select current_setting('work_mem'), current_setting('timezone')"},
	"pipeline, reset all":   {"set work_mem = '7MB'", "reset all | select current_setting('work_mem') | set lock_timeout = 77 | select current_setting('application_name')"},
	"pipeline, failed":      {"set work_mem = '7MB'", "reset work_mem | select 1/0 | reset timezone"},
	"pipeline, discarded":   {"set work_mem = '7MB'; set timezone = 'Europe/Berlin'", "discard all | select current_setting('work_mem'), current_setting('timezone')"},
	"in one query":          {"set work_mem = '7MB'; reset work_mem; select current_setting('work_mem')", "reset all -- all of it\n; select current_setting('timezone'); set lock_timeout = 77"},
	"in one query, nothing": {"; ; reset search_path ; ; select current_setting('search_path') ;"},
	"in one query, failed":  {"set work_mem = '7MB'", "reset work_mem; select current_setting('work_mem'); select nothing_like_it", "/* ü */ reset timezone; select 'ü' ; reset work_mem; select 'ü', nothing_like_it"},
	"in one query, broken":  {"reset work_mem; selec 1"},
	"unknown":               {"reset nothing_like_it", "set nothing_like_it = 1", "reset work_mem; reset nothing_like_it; reset timezone"},
	"long":                  {"select '" + strings.Repeat("x", 20_000) + "'; set work_mem = '7MB'; reset timezone"},
}

// Two clients take turns on one connection, at every boundary of statements
// outside a block. Each gets what it gets from PostgreSQL alone, and sees nothing
// of the other's settings.
func TestSettingsAreAsIfAloneWithPostgreSQL(t *testing.T) {
	t.Parallel()
	server := database(t)
	testpg.Exec(t, server, "create schema app")
	g := open(t, server, poolOf(1), func(c *weir.Config) { c.Pool.StatementTimeout = 0 })
	direct := &gateway{upstream: server}
	names := make([]string, 0, len(settingScripts))
	for name := range settingScripts {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, how := range []string{"simple", "extended"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				alone := []*settler{direct.settler(t, server, started...), direct.settler(t, server)}
				through := []*settler{g.settler(t, g.url(), started...), g.settler(t, g.url())}
				for i, text := range settingScripts[name] {
					for n := range alone {
						if n == 1 && alone[0].status() != 'I' {
							continue // the connection is the other's
						}
						sql := text
						if n == 1 {
							sql = "select 1" // beside the first, nothing is set
						}
						want, got := alone[n].run(t, sql, how), through[n].run(t, sql, how)
						if got != want {
							t.Fatalf("client %d, step %d, %s:\n%s\ndirectly:\n%s", n, i, sql, got, want)
						}
					}
				}
				for _, s := range append(alone, through...) {
					s.close(t)
				}
			})
		}
	}
}

// settler is a client of the interleaved tests.
type settler struct {
	conn *pgconn.PgConn
}

func (g *gateway) settler(t *testing.T, url string, params ...string) *settler {
	t.Helper()
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams = map[string]string{"application_name": "", "client_encoding": "UTF8"}
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		config.RuntimeParams[name] = value
	}
	conn, err := pgconn.ConnectConfig(bounded(t), config)
	if err != nil {
		t.Fatal(err)
	}
	return &settler{conn: conn}
}

func (s *settler) status() byte { return s.conn.TxStatus() }

func (s *settler) close(t *testing.T) {
	t.Helper()
	_ = s.conn.Close(bounded(t))
}

// run gives what the text answers, what the settings are after it, and what of
// them was reported.
func (s *settler) run(t *testing.T, text, how string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out strings.Builder
	switch {
	case how == "simple" && !strings.Contains(text, "|"):
		results, err := s.conn.Exec(ctx, text).ReadAll()
		show(&out, results, err)
	case strings.Contains(text, "; ") || strings.Contains(text, ";\n"):
		results, err := s.conn.Exec(ctx, text).ReadAll() // more than one statement
		show(&out, results, err)
	default:
		var batch pgconn.Batch
		for statement := range strings.SplitSeq(text, " | ") {
			batch.ExecParams(statement, nil, nil, nil, nil)
		}
		results, err := s.conn.ExecBatch(ctx, &batch).ReadAll()
		show(&out, results, err)
	}
	reported := ""
	for _, name := range []string{"TimeZone", "application_name", "client_encoding", "DateStyle", "session_authorization", "is_superuser"} {
		reported += " " + name + "=" + s.conn.ParameterStatus(name)
	}
	fmt.Fprintf(&out, "reported:%s\n", reported)
	if s.status() != 'E' {
		results, err := s.conn.Exec(ctx, settingsSQL).ReadAll()
		show(&out, results, err)
	}
	return out.String()
}

// say runs a simple query and gives its answer.
func (s *settler) say(t *testing.T, sql string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out strings.Builder
	results, err := s.conn.Exec(ctx, sql).ReadAll()
	show(&out, results, err)
	return out.String()
}

// show writes results down.
func show(out *strings.Builder, results []*pgconn.Result, err error) {
	for _, r := range results {
		fmt.Fprintf(out, "%s", r.CommandTag)
		for _, row := range r.Rows {
			for _, v := range row {
				fmt.Fprintf(out, " %.60q", v)
			}
		}
		out.WriteByte('\n')
	}
	var e *pgconn.PgError
	if asPgError(err, &e) {
		fmt.Fprintf(out, "%s %s at %d\n", e.Code, e.Message, e.Position)
	} else if err != nil {
		fmt.Fprintln(out, err)
	}
}

// A client that leaves at once leaves nothing, not even who it was.
func TestSettingsOfAClientThatLeavesAtOnceAreGone(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	for _, set := range []string{"set role pg_monitor", "set session authorization pg_monitor", "set work_mem = '7MB'", "set app.tenant = 'me'", "set timezone = 'Asia/Tokyo'", "begin; set timezone = 'Asia/Tokyo'"} {
		c := g.raw(t, "timezone=Etc/UTC")
		c.write(t, wire.AppendEmpty(wire.AppendQuery(nil, set), wire.Terminate))
		if end := c.transcript(t, 2); !strings.HasSuffix(end, "EOF") {
			t.Errorf("%s: the client was answered %s", set, end)
		}
		next := g.connect(t, "timezone=Etc/UTC")
		got := ask(t, next, "select concat_ws(' ', current_user, session_user, current_setting('work_mem'), current_setting('app.tenant', true), current_setting('timezone'))")
		if strings.Join(strings.Fields(got), " ") != "postgres postgres 4MB Etc/UTC" {
			t.Errorf("after %q the next client has %s", set, got)
		}
		_ = next.Close(bounded(t))
	}
}

// What pg_dump does, which is the commonest leak of other poolers.
func TestEmptySearchPathStaysWithItsClient(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	dump, other := g.connect(t), g.connect(t)
	must(t, other, "create table t (n int)")
	must(t, dump, "SELECT pg_catalog.set_config('search_path', '', false);")
	must(t, other, "insert into t values (1)")
	if err := exec(t, dump, "select n from t"); code(err) != "42P01" {
		t.Errorf("with an empty search_path the table is found: %v", err)
	}
	must(t, other, "insert into t values (2)")
}
