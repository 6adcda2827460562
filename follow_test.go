// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// keepingScripts are what a client does that keeps its connection, a simple query
// at a time.
var keepingScripts = map[string][]string{
	"role ended":       {"set role pg_monitor", "select pg_advisory_lock(1)", "reset role", "set application_name = 'x'", "select pg_advisory_unlock(1)"},
	"role taken":       {"select pg_advisory_lock(1)", "set role pg_monitor", "set application_name = 'x'", "select pg_advisory_unlock(1)", "reset role"},
	"role of old":      {"set role pg_monitor", "create temp table mine ()", "reset role", "set timezone = 'Asia/Tokyo'", "drop table mine"},
	"authorization":    {"set session authorization pg_monitor", "select pg_advisory_lock(1)", "set role pg_read_all_stats", "set timezone = 'Asia/Tokyo'", "reset session authorization", "set application_name = 'y'", "select pg_advisory_unlock(1)"},
	"role in a block":  {"select pg_advisory_lock(1)", "begin; set local role pg_monitor", "set timezone = 'Asia/Tokyo'", "set application_name = 'y'", "commit", "select pg_advisory_unlock(1)"},
	"to a savepoint":   {"select pg_advisory_lock(1)", "begin", "savepoint a", "set role pg_monitor; set timezone = 'Asia/Tokyo'", "rollback to a", "set application_name = 'y'", "commit", "select pg_advisory_unlock(1)"},
	"local":            {"set work_mem = '7MB'", "select pg_advisory_lock(1)", "begin; set local timezone = 'Asia/Tokyo'", "commit", "reset work_mem", "set application_name = 'x'", "select pg_advisory_unlock(1)"},
	"only in a block":  {"begin; select pg_advisory_xact_lock(1)", "set role pg_monitor; set timezone = 'Asia/Tokyo'", "set application_name = 'y'", "commit", "set application_name = 'z'"},
	"discarded":        {"set role pg_monitor", "select pg_advisory_lock(1)", "reset role", "set work_mem = '7MB'", "discard all", "set application_name = 'y'"},
	"set_config":       {"select pg_advisory_lock(1)", "select set_config('work_mem', '7MB', false), set_config('role', 'pg_monitor', false)", "set application_name = 'y'", "reset all; reset role", "set application_name = 'z'", "select pg_advisory_unlock(1)"},
	"until it leaves":  {"set role pg_monitor; set work_mem = '7MB'", "select pg_advisory_lock(1)", "reset role", "set timezone = 'Asia/Tokyo'"},
	"time-out changed": {"select pg_advisory_lock(1)", "set statement_timeout = 5000", "set timezone = 'Asia/Tokyo'", "reset statement_timeout; set work_mem = '7MB'", "select pg_advisory_unlock(1)"},
}

// modesOfKeeping are the ways in which a client may keep its connection.
var modesOfKeeping = map[string]func(*weir.Config){
	"time-out lifted": func(*weir.Config) {},
	"no time-out":     func(c *weir.Config) { c.Pool.StatementTimeout = 0 },
	"session mode":    func(c *weir.Config) { c.Pool.Mode = "session" },
}

// Weir lifts its own statement_timeout for clients that keep their connections.
// Nothing else that they set changes by that, or by their keeping it, and nothing
// of it is left when they let go.
func TestSettingsOfAClientThatKeepsItsConnectionAreItsOwn(t *testing.T) {
	t.Parallel()
	server := testpg.URL(t)
	direct := &gateway{upstream: server}
	const shown = "select current_user, session_user, current_setting('role'), current_setting('application_name'), current_setting('work_mem'), current_setting('timezone')"
	begins := []string{"work_mem=9MB", "timezone=Etc/UTC"}
	for mode, change := range modesOfKeeping {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			alone, behind := testpg.Database(t, server), testpg.Database(t, server) // a lock is one database's
			g := open(t, behind, poolOf(2), change)
			other := g.settler(t, g.url(), begins...)
			first := other.say(t, shown+"; show statement_timeout")
			for name, steps := range keepingScripts {
				want, got := direct.settler(t, alone, begins...), g.settler(t, g.url(), begins...)
				for i, sql := range steps {
					for _, sql := range []string{sql, shown} {
						if want, got := want.say(t, sql), got.say(t, sql); got != want {
							t.Errorf("%s: step %d, %s:\n%s\ndirectly:\n%s", name, i, sql, got, want)
						}
					}
					if got := other.say(t, shown+"; show statement_timeout"); got != first {
						t.Errorf("%s: after step %d another client has\n%s\nwant\n%s", name, i, got, first)
					}
				}
				want.close(t)
				got.close(t)
			}
		})
	}
}

// A routine that resets what its client has asked for at login has the upstream
// report a default that is not the client's. Drivers read dates by what is reported.
func TestWhatARoutineResetsIsReportedAsItIs(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	for name, sql := range map[string][]string{
		"all":        {"do $$begin execute 'reset all'; end$$"},
		"one":        {"do $$begin reset datestyle; end$$"},
		"in a block": {"begin", "do $$begin reset datestyle; end$$", "commit"},
		"and set":    {"do $$begin reset datestyle; set datestyle = 'SQL, DMY'; end$$"},
		"taken back": {"begin", "do $$begin reset all; end$$", "rollback"},
	} {
		conn := g.connect(t, "datestyle=German", "application_name=mine")
		for _, s := range append(sql, "select 1") {
			must(t, conn, s)
		}
		for _, setting := range [...]string{"DateStyle", "application_name"} {
			if told, has := conn.PgConn().ParameterStatus(setting), ask(t, conn, "show "+setting); told != has {
				t.Errorf("%s: the client was told that %s is %q, and has %q", name, setting, told, has)
			}
		}
		_ = conn.Close(t.Context())
	}
}

// What a routine resets is what its client began with for a request too that is sent
// in the same write.
func TestWhatIsSentBehindAResetOutOfSightFindsTheClientsOwn(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	setup := g.connect(t)
	must(t, setup, "create function resets() returns void language plpgsql as $$begin reset work_mem; reset datestyle; end$$")
	_ = setup.Close(bounded(t))
	for _, sql := range []string{
		"do $$begin reset work_mem; end$$",
		"do $$begin execute 'reset all'; end$$",
		"select resets()",
		"select set_config('work_mem', null, false), set_config('datestyle', null, false)",
		"begin; select resets(); commit",
	} {
		for form, messages := range map[string][]pgproto3.FrontendMessage{
			"simple":     {&pgproto3.Query{String: sql}, &pgproto3.Query{String: "show work_mem"}, &pgproto3.Query{String: "show datestyle"}},
			"extended":   append(append(group(sql), group("show work_mem")...), group("show datestyle")...),
			"in a block": {&pgproto3.Query{String: "begin"}, &pgproto3.Query{String: sql}, &pgproto3.Query{String: "commit"}, &pgproto3.Query{String: "show work_mem"}, &pgproto3.Query{String: "show datestyle"}},
		} {
			if form == "extended" && strings.HasPrefix(sql, "begin;") {
				continue
			}
			r := g.raw(t, "work_mem=9MB", "datestyle=German")
			r.send(t, messages...)
			groups := 3
			if form == "in a block" {
				groups = 5
			}
			var shown []string
			for groups > 0 {
				m, err := r.front.Receive()
				if err != nil {
					t.Fatal(err)
				}
				switch m := m.(type) {
				case *pgproto3.DataRow:
					shown = append(shown, string(m.Values[0]))
				case *pgproto3.ErrorResponse:
					t.Errorf("%s: %s", sql, m.Message)
				case *pgproto3.ReadyForQuery:
					groups--
				}
			}
			if n := len(shown); n < 2 || shown[n-2] != "9MB" || shown[n-1] != "German, DMY" {
				t.Errorf("%s, %s: %q is shown, want what the client began with", sql, form, shown)
			}
			_ = r.Close()
		}
	}
}

// TestDiscardAllReportsNothingThatStays has weir read what routines there are between what
// a client defines and its DISCARD ALL, so that it asks what the settings are. They are
// those of the login, which the client knows.
func TestDiscardAllReportsNothingThatStays(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	testpg.Exec(t, g.upstream, "create procedure sets() language plpgsql as $$begin perform set_config('work_mem', '8MB', false); end$$")
	for round := range 3 {
		for _, defines := range [][]pgproto3.FrontendMessage{group("select 1 as n into made"), simple("create table made ()")} {
			r := g.raw(t, "timezone=Asia/Tokyo", "application_name=mine")
			for _, messages := range [][]pgproto3.FrontendMessage{simple("drop table if exists made"), defines, simple("discard all"), group("select 1")} {
				r.send(t, messages...)
				for ended := false; !ended; {
					m, err := r.front.Receive()
					if err != nil {
						t.Fatal(err)
					}
					if m, ok := m.(*pgproto3.ParameterStatus); ok {
						t.Errorf("round %d: told that %s is %q", round, m.Name, m.Value)
					}
					_, ended = m.(*pgproto3.ReadyForQuery)
				}
			}
			_ = r.Close()
		}
	}
}
