// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// A value that is not ASCII is its client's in every encoding, also where the second
// byte of a character looks like a backslash or a letter.
func TestValuesInEveryEncodingFollowTheirClient(t *testing.T) {
	t.Parallel()
	url := database(t)
	g, direct := open(t, url, poolOf(1)), &gateway{upstream: url}
	const shown = "select coalesce(current_setting('app.v', true), ''), convert_to(coalesce(current_setting('app.v', true), ''), 'UTF8'), current_setting('search_path'), current_setting('work_mem')"
	const foreign = "select coalesce(current_setting('app.v', true), '') || current_setting('search_path') || current_setting('work_mem')"
	for name, statements := range map[string][]string{
		"SJIS":             {"set app.v = '\x95\x5c'"},
		"SJIS, set_config": {"select set_config('app.v', 'a\x83\x5c''', false)"},
		"BIG5":             {"set app.v = 'x\xa5\x5c'", "set search_path = 'a', '\xa5\x5c'"},
		"GBK":              {"set app.v = '\xd5\x5c\\'"},
		"LATIN1":           {"set app.v = '\xe9''\\'", "set search_path = '\xe9', a"},
		"UTF8":             {"set app.v = 'é\\'", "set search_path = 'ä b', a"},
		"EUC_JP":           {"set app.v = '\xc9\xbd'"},
		"changes":          {"set client_encoding = 'SJIS'", "set app.v = '\x95\x5c'", "set client_encoding = 'UTF8'", "set work_mem = '7MB'", "set names 'EUC_JP'", "begin; set client_encoding = 'SJIS'; commit", "reset client_encoding"},
		"no such there":    {"set app.v = '表'", "set client_encoding = 'LATIN1'", "set client_encoding = 'SJIS'", "set work_mem = '7MB'"},
		"discards":         {"set client_encoding = 'SJIS'; set app.v = 'x'", "set app.v = '\x95\x5c'", "discard all", "set app.v = 'é'"},
	} {
		t.Run(name, func(t *testing.T) {
			var params []string
			if encoding, _, _ := strings.Cut(name, ","); strings.ToUpper(encoding) == encoding {
				params = []string{"client_encoding=" + encoding}
			}
			alone, one := direct.settler(t, url, params...), g.settler(t, g.url(), params...)
			others := []*settler{g.settler(t, g.url()), g.settler(t, g.url(), "client_encoding=SJIS")}
			for _, sql := range append(statements, "select 1", "set work_mem = '8MB'", "select 2") {
				if want, got := alone.say(t, sql), one.say(t, sql); got != want {
					t.Fatalf("%s: %s, directly %s", sql, got, want)
				}
				for _, other := range others {
					if name == "no such there" {
						break // the client keeps the connection while PostgreSQL cannot say the value
					}
					if got, want := other.say(t, foreign), "SELECT 1 \"\\\"$user\\\", public4MB\"\n"; got != want {
						t.Fatalf("after %q another client has %s", sql, got)
					}
				}
				if want, got := alone.say(t, shown), one.say(t, shown); got != want {
					t.Fatalf("after %q: %s, directly %s", sql, got, want)
				}
			}
			for _, s := range append(others, alone, one) {
				s.close(t)
			}
		})
	}
}

// A routine is known by its name in each client's encoding, also right after somebody
// with another one has had the connection.
func TestRoutinesAreKnownByTheirNamesInEveryEncoding(t *testing.T) {
	t.Parallel()
	url := database(t)
	long := strings.Repeat("长", 30)
	for _, name := range []string{"设角色", "É_rolle", long} {
		testpg.Exec(t, url, `create function "`+name+`"() returns void language plpgsql as $$begin set role pg_monitor; end$$`)
	}
	g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
	other := g.settler(t, g.url())
	other.say(t, "select 1")
	for name, tt := range map[string]struct {
		encoding, call string
		after          []string
	}{
		"GBK":            {"GBK", "select \"\xc9\xe8\xbd\xc7\xc9\xab\"()", nil},
		"GBK, long":      {"GBK", "select " + strings.Repeat("\xb3\xa4", 30) + "()", nil},
		"GB18030":        {"GB18030", "select \xc9\xe8\xbd\xc7\xc9\xab()", nil},
		"EUC_CN":         {"EUC_CN", "select \xc9\xe8\xbd\xc7\xc9\xab()", nil},
		"LATIN1":         {"LATIN1", "select \"\xc9_rolle\"()", nil},
		"UTF8":           {"utf-8", "select 设角色()", nil},
		"UTF8, long":     {"UTF8", "select " + long + "()", nil},
		"LATIN1, before": {"LATIN1", "select \"\xc9_rolle\"()", []string{"set client_encoding = 'UTF8'"}},
		"GBK, before":    {"GBK", "select \xc9\xe8\xbd\xc7\xc9\xab()", []string{"set names 'UTF8'"}},
	} {
		for _, prepares := range []bool{false, true} {
			one := g.settler(t, g.url(), "client_encoding="+tt.encoding)
			if prepares {
				if _, err := one.conn.Prepare(bounded(t), "s", tt.call, nil); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				other.say(t, "select 1")
				for _, sql := range tt.after {
					one.say(t, sql)
				}
				if err := one.conn.ExecPrepared(bounded(t), "s", nil, nil, nil).Read().Err; err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			} else {
				one.say(t, tt.call)
			}
			for s, want := range map[*settler]string{other: "postgres", one: "pg_monitor"} {
				if got := s.say(t, "select current_user::text"); !strings.Contains(got, want) {
					t.Errorf("%s, prepared: %t: %s, want %s", name, prepares, got, want)
				}
			}
			one.close(t)
		}
	}
}

// A statement is prepared on another connection under the settings of then, whatever
// bytes these are, and whether or not PostgreSQL shows them to who the client is now.
func TestStatementsArePreparedElsewhereUnderAnySettings(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create function unseen(n text) returns text language sql as 'select set_config(n, ''x'', false)'; create view sets as select unseen('app.v')")
	const statement = "select coalesce(current_setting('app.v', true), ''), current_setting('role'), current_setting('datestyle')"
	as := []string{"role=pg_read_all_stats"}
	const both = "select set_config('dynamic_library_path', '/y', false), set_config('role', 'pg_signal_backend', false)"
	for name, tt := range map[string]struct{ before, after, params []string }{
		"GBK":                   {[]string{"set client_encoding = 'GBK'", "set app.v = '\x95\x5c'"}, []string{"set datestyle = 'German'"}, nil},
		"from SJIS":             {[]string{"set client_encoding = 'SJIS'", "set app.v = '\x95\x5c'"}, []string{"set client_encoding = 'UTF8'"}, nil},
		"to SJIS":               {nil, []string{"set client_encoding = 'SJIS'", "set app.v = '\x95\x5c'"}, nil},
		"LATIN1":                {[]string{"set client_encoding = 'LATIN1'", "set app.v = '\xe9'"}, []string{"set app.v = 'other'"}, nil},
		"no such there":         {[]string{"set app.v = '表'", "set client_encoding = 'LATIN1'"}, []string{"set datestyle = 'German'"}, nil},
		"nor there":             {[]string{"set client_encoding = 'LATIN1'", "set app.v = '\xe9'", "set client_encoding = 'BIG5'"}, []string{"set datestyle = 'German'", "select 1", "set client_encoding = 'LATIN1'"}, nil},
		"unknown":               {[]string{"set client_encoding = 'GBK'", "set app.v = '\x95\x5c'"}, []string{"select * from sets"}, nil},
		"another's":             {[]string{"set dynamic_library_path = '/x'", "set datestyle = 'German'"}, []string{"set role pg_read_all_stats", "select * from sets", "reset role"}, nil},
		"another's too":         {[]string{"set role pg_read_all_stats"}, []string{"reset role", "set dynamic_library_path = '/x'", "set role pg_signal_backend", "select * from sets", "reset role"}, nil},
		"as the login":          {[]string{"set role none", "set dynamic_library_path = '/x'"}, []string{both, "reset role"}, as},
		"as the login, unknown": {[]string{"set role none", "set dynamic_library_path = '/x'"}, []string{both + ", unseen('app.v')", "reset role"}, as},
		"back to the start":     {nil, []string{"select set_config('role', 'none', false), set_config('dynamic_library_path', '/y', false)", "set role pg_signal_backend"}, as},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, url, poolOf(2))
			var lists [2]string
			for i, at := range []string{url, g.url()} {
				one := g.settler(t, at, tt.params...).conn
				run := func(sql string) {
					r := one.ExecParams(bounded(t), sql, nil, nil, nil, nil).Read()
					again := one.ExecPrepared(bounded(t), "s", nil, nil, nil).Read()
					lists[i] += fmt.Sprintf("%s: %q %v, %q %v\n", sql, r.Rows, r.Err, again.Rows, again.Err)
				}
				for _, sql := range tt.before {
					if err := one.ExecParams(bounded(t), sql, nil, nil, nil, nil).Read().Err; err != nil {
						t.Fatal(err)
					}
				}
				if _, err := one.Prepare(bounded(t), "s", statement, nil); err != nil {
					t.Fatal(err)
				}
				for _, sql := range append(tt.after, "select current_setting('dynamic_library_path')") {
					run(sql)
				}
				if err := one.Close(bounded(t)); err != nil {
					t.Error(err)
				}
			}
			if lists[0] != lists[1] {
				t.Errorf("through weir\n%sdirectly\n%s", lists[1], lists[0])
			}
			g.balanced(t)
		})
	}
}

// What PostgreSQL cannot read it does not do, and the unnamed statement, which each
// Query and Parse replaces, is still there.
func TestATextThatCannotBeReadLeavesTheUnnamedStatement(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(1))
	run := []pgproto3.FrontendMessage{&pgproto3.Bind{Parameters: [][]byte{[]byte("7")}}, &pgproto3.Execute{}, &pgproto3.Sync{}}
	for name, bad := range map[string][]pgproto3.FrontendMessage{
		"Query":    simple("select '\xe9'"),
		"Parse":    group("select '\xe9'"),
		"readable": simple("select 'é'"),
	} {
		var said [2]string
		for i, url := range []string{url, g.url()} {
			conn, err := pgconn.Connect(bounded(t), url)
			if err != nil {
				t.Fatal(err)
			}
			r := hijack(t, conn)
			r.send(t, &pgproto3.Parse{Query: "select $1::int"}, &pgproto3.Sync{})
			r.transcript(t, 1)
			r.send(t, bad...)
			said[i] = r.transcript(t, 1)
			r.send(t, run...)
			said[i] += " " + r.transcript(t, 1)
			_ = r.Conn.Close()
		}
		if said[0] != said[1] {
			t.Errorf("%s: got %q, directly %q", name, said[1], said[0])
		}
	}
}

// The name of a setting is other bytes in another encoding: its client keeps its
// connection, and nobody else is asked for it.
func TestASettingWhoseNameIsNotASCIIStaysWithItsClient(t *testing.T) {
	t.Parallel()
	url := database(t)
	g, direct := open(t, url, poolOf(2)), &gateway{upstream: url}
	for _, steps := range [][]string{
		{"set client_encoding = 'LATIN1'", "set \"app.\xe4\" = 'x'", "select current_setting('app.\xe4', true)", "set client_encoding = 'UTF8'", "set work_mem = '7MB'", "select current_setting('app.ä', true), current_setting('work_mem')", "discard all", "select current_setting('app.ä', true) = 'x'"},
		{"set client_encoding = 'LATIN1'", "select set_config('app.\xe4', 'x', false)", "select current_setting('app.\xe4', true)", "begin; set client_encoding = 'UTF8'; commit", "select current_setting('app.ä', true)", "discard all"},
		{"set client_encoding = 'LATIN1'", "do $$begin perform set_config('app.\xe4', 'x', false); end$$", "select current_setting('app.\xe4', true)", "set client_encoding = 'UTF8'", "select current_setting('app.ä', true)", "discard all"},
		{"set \"app.ä\" = 'x'", "set client_encoding = 'LATIN1'", "select current_setting('app.\xe4', true)", "discard all"},
	} {
		alone, one, other := direct.settler(t, url), g.settler(t, g.url()), g.settler(t, g.url())
		for _, sql := range steps {
			other.say(t, "begin") // which takes the connection that the first has left
			if want, got := alone.say(t, sql), one.say(t, sql); got != want {
				t.Fatalf("%s: %s, directly %s", sql, got, want)
			}
			other.say(t, "do $$begin perform set_config('app.o', '1', false); end$$")
			other.say(t, "commit")
			if got, want := other.say(t, "select current_setting('app.o'), coalesce(current_setting('app.ä', true), '') = 'x'"), "SELECT 1 \"1\" \"f\"\n"; got != want {
				t.Fatalf("after %q another client has %s, want %s", sql, got, want)
			}
		}
		for _, s := range []*settler{alone, one, other} {
			s.close(t)
		}
	}
	if text := g.log.String(); strings.Contains(text, "did not say") {
		t.Errorf("the gateway's log:\n%s", text)
	}
}
