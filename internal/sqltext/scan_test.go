// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

// split are texts with the statements PostgreSQL sees in each. They run without
// an error on an empty database, so that a real server can be asked as well.
var split = []struct {
	name string
	text string
	want []string
}{
	{"one", "SELECT 1", []string{"SELECT 1"}},
	{"semicolon at the end", "SELECT 1;", []string{"SELECT 1"}},
	{"blanks around", "\n SELECT 1 ; ", []string{"SELECT 1 "}},
	{"two", "SELECT 1;SELECT 2", []string{"SELECT 1", "SELECT 2"}},
	{"empty ones between", ";; SELECT 1;; ;/* ; */;SELECT 2;;", []string{"SELECT 1", "SELECT 2"}},
	{"nothing", " ; -- a;b\n ;", nil},
	{"line comment", "SELECT 1 -- ; SELECT 2\n; SELECT 3", []string{"SELECT 1 -- ; SELECT 2\n", "SELECT 3"}},
	{"line comment ended by a carriage return", "SELECT 1 -- x\r; SELECT 3", []string{"SELECT 1 -- x\r", "SELECT 3"}},
	{"nested comment", "SELECT /* a ; /* b ; */ c ; */ 1; SELECT 2", []string{"SELECT /* a ; /* b ; */ c ; */ 1", "SELECT 2"}},
	{"comment of stars and slashes", "SELECT 1 /**//***//*/;*/; SELECT 2", []string{"SELECT 1 /**//***//*/;*/", "SELECT 2"}},
	{"comment after an operator", "SELECT 1 +-- ;\n 2; SELECT 3 */* ; */ 4", []string{"SELECT 1 +-- ;\n 2", "SELECT 3 */* ; */ 4"}},
	{"comment marks in a string", "SELECT '--', '/*'; SELECT 2", []string{"SELECT '--', '/*'", "SELECT 2"}},
	{"string marks in a comment", "SELECT 1 /* ' */ -- \"\n; SELECT 2", []string{"SELECT 1 /* ' */ -- \"\n", "SELECT 2"}},
	{"string", "SELECT 'a;b'; SELECT 2", []string{"SELECT 'a;b'", "SELECT 2"}},
	{"doubled quotes", "SELECT 'it''s;'; SELECT ''';'", []string{"SELECT 'it''s;'", "SELECT ''';'"}},
	{"backslash ends a plain string", `SELECT '\'; SELECT 2; --'`, []string{`SELECT '\'`, "SELECT 2"}},
	{"backslash in an E string", `SELECT E'\';'; SELECT 2`, []string{`SELECT E'\';'`, "SELECT 2"}},
	{"backslash twice in an E string", `SELECT e'\\'; SELECT 2`, []string{`SELECT e'\\'`, "SELECT 2"}},
	{"E string continued", "SELECT E'a' -- '\n '\\';'; SELECT 2", []string{"SELECT E'a' -- '\n '\\';'", "SELECT 2"}},
	{"plain string continued", "SELECT 'a'\n'b\\'; SELECT 2", []string{"SELECT 'a'\n'b\\'", "SELECT 2"}},
	{"a type before a string is no prefix", `SELECT name'\'; SELECT date'2000-01-01'`, []string{`SELECT name'\'`, `SELECT date'2000-01-01'`}},
	{"bits", "SELECT B'01', X'1F', b'', x''; SELECT 2", []string{"SELECT B'01', X'1F', b'', x''", "SELECT 2"}},
	{"national string", `SELECT N'\'; SELECT n';'`, []string{`SELECT N'\'`, "SELECT n';'"}},
	{"unicode string", `SELECT U&'\0061;', u&'!0061' UESCAPE '!'; SELECT 2`, []string{`SELECT U&'\0061;', u&'!0061' UESCAPE '!'`, "SELECT 2"}},
	{"unicode identifier", `SELECT 1 AS U&"a;\0062"; SELECT 2`, []string{`SELECT 1 AS U&"a;\0062"`, "SELECT 2"}},
	{"operator after a word u", `SELECT u &1 FROM (SELECT 1 u) u; SELECT u&1 FROM (SELECT 1 u) u`, []string{`SELECT u &1 FROM (SELECT 1 u) u`, `SELECT u&1 FROM (SELECT 1 u) u`}},
	{"quoted identifier", `SELECT 1 AS "a;b"";c'"; SELECT 2`, []string{`SELECT 1 AS "a;b"";c'"`, "SELECT 2"}},
	{"dollar quotes", "SELECT $$a;b$$, $x$ ; $$ ; $y$ ; $x$; SELECT 2", []string{"SELECT $$a;b$$, $x$ ; $$ ; $y$ ; $x$", "SELECT 2"}},
	{"tags share a dollar", "SELECT $a$;$b$a$; SELECT 2", []string{"SELECT $a$;$b$a$", "SELECT 2"}},
	{"tag beyond ASCII", "SELECT $é$;$é$; SELECT 2", []string{"SELECT $é$;$é$", "SELECT 2"}},
	{"dollar in an identifier", "SELECT 1 AS a$b$; SELECT 2 AS c$b$", []string{"SELECT 1 AS a$b$", "SELECT 2 AS c$b$"}},
	{"identifier beyond ASCII", "SELECT 1 AS naïve$é; SELECT 2", []string{"SELECT 1 AS naïve$é", "SELECT 2"}},
	{"numbers", "SELECT 1.5, .5, 1e5, 1.e+5; SELECT 2", []string{"SELECT 1.5, .5, 1e5, 1.e+5", "SELECT 2"}},
	{"rule", "CREATE TEMP TABLE r (a int); CREATE RULE r AS ON INSERT TO r DO ALSO (SELECT 1; SELECT 2); SELECT 3", []string{"CREATE TEMP TABLE r (a int)", "CREATE RULE r AS ON INSERT TO r DO ALSO (SELECT 1; SELECT 2)", "SELECT 3"}},
	{"body", "CREATE FUNCTION pg_temp.f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3", []string{"CREATE FUNCTION pg_temp.f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", "SELECT 3"}},
	{"body with cases", "CREATE FUNCTION pg_temp.f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN CASE 1 WHEN 1 THEN 2 END END; END; SELECT 3", []string{"CREATE FUNCTION pg_temp.f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN CASE 1 WHEN 1 THEN 2 END END; END", "SELECT 3"}},
	{"body with end as a label", "CREATE FUNCTION pg_temp.f() RETURNS int BEGIN ATOMIC SELECT 1 end; SELECT 2 AS case; END; SELECT 3", []string{"CREATE FUNCTION pg_temp.f() RETURNS int BEGIN ATOMIC SELECT 1 end; SELECT 2 AS case; END", "SELECT 3"}},
	{"body of a procedure, empty", "CREATE OR REPLACE PROCEDURE pg_temp.p(begin int) BEGIN ATOMIC END; SELECT 3", []string{"CREATE OR REPLACE PROCEDURE pg_temp.p(begin int) BEGIN ATOMIC END", "SELECT 3"}},
	{"body in a string", "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$; SELECT 3", []string{"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$", "SELECT 3"}},
	{"begin and end outside a routine", "BEGIN; SELECT 1; END; SELECT 1 AS atomic", []string{"BEGIN", "SELECT 1", "END", "SELECT 1 AS atomic"}},
	{"labels begin and atomic outside a routine", "SELECT begin atomic FROM (SELECT 1 AS begin) s; SELECT 2", []string{"SELECT begin atomic FROM (SELECT 1 AS begin) s", "SELECT 2"}},
	{"comments belong to the statement after them", "SELECT 1; /* a */ SELECT 2", []string{"SELECT 1", "/* a */ SELECT 2"}},
}

// statements returns the text of each statement.
func statements(text string) []string {
	var all []string
	for at := 0; ; {
		s, next, ok := sqltext.Next(text, at)
		if !ok {
			return all
		}
		all, at = append(all, text[s.Start:s.End]), next
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, test := range split {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := statements(test.text)
			if !slices.Equal(got, test.want) {
				t.Errorf("statements of %q\n got %q\nwant %q", test.text, got, test.want)
			}
			if n := sqltext.Scan(test.text).Count; n != len(test.want) {
				t.Errorf("Scan(%q).Count = %d, want %d", test.text, n, len(test.want))
			}
		})
	}
}

func TestScanFlags(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sqltext.Flags{
		"": 0, typical: 0,
		"SELECT pg_advisory_xact_lock(1), nextval('s'), temp FROM local":                          0,
		"SELECT pg_advisory_lock(1)":                                                              sqltext.AdvisoryLock | sqltext.AdvisoryWait,
		"SELECT PG_CATALOG . Pg_Try_Advisory_Lock_Shared(1, 2)":                                   sqltext.AdvisoryLock,
		`SELECT pg_catalog."pg_advisory_lock"(1)`:                                                 sqltext.AdvisoryLock | sqltext.AdvisoryWait,
		"SELECT 'pg_advisory_lock(1)' /* pg_advisory_lock */ -- lastval":                          0,
		"SELECT 1; SELECT pg_advisory_unlock_all()":                                               sqltext.AdvisoryUnlock,
		"SELECT set_config('a.b', 'c', false)":                                                    sqltext.SetConfig,
		"UPDATE pg_settings SET setting = 'x' WHERE name = 'y'":                                   sqltext.SetConfig,
		"WITH a AS (UPDATE pg_catalog.pg_settings SET setting = 'x' RETURNING 1) SELECT * FROM a": sqltext.SetConfig,
		"SELECT * FROM pg_settings":                                                               0,
		"SELECT currval('s'), LASTVAL()":                                                          sqltext.Sequence,
		"SELECT setseed(0.5)":                                                                     sqltext.Session,
		"SELECT dblink_connect_u('a', 'b')":                                                       sqltext.Session,
		"SELECT pg_replication_origin_session_reset()":                                            sqltext.Session,
		"SELECT pg_catalog.pg_notify('c', 'p')":                                                   sqltext.Notifies,
		"SELECT pg_terminate_backend(1)":                                                          sqltext.Signal,
		"CREATE TEMP TABLE t (a int)":                                                             sqltext.Temp,
		"CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1":                                          sqltext.Temp,
		"CREATE LOCAL TEMP TABLE t (a int)":                                                       sqltext.Temp,
		"SELECT 1 AS a INTO TEMP TABLE t":                                                         sqltext.Temp,
		"SELECT 1 AS a INTO LOCAL TEMPORARY t":                                                    sqltext.Temp,
		"EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1":                                         sqltext.Temp,
		"CREATE TABLE pg_temp.t (a int)":                                                          sqltext.Temp,
		`CREATE TABLE "pg_temp_3".t (a int)`:                                                      sqltext.Temp,
		"SELECT temp, t.temporary FROM weather ORDER BY temp":                                     0,
		"EXPLAIN ANALYZE EXECUTE p(1)":                                                            sqltext.Executes,
		"EXPLAIN (COSTS off) EXECUTE p":                                                           sqltext.Executes,
		"CREATE TABLE t AS EXECUTE p":                                                             sqltext.Executes,
		"CREATE TRIGGER t BEFORE INSERT ON x EXECUTE FUNCTION f()":                                0,
		"GRANT EXECUTE ON FUNCTION f() TO PUBLIC":                                                 0,
		`SELECT U&"\0061"`:                                                                        sqltext.Escaped,
		`SELECT '\'`:                                                                              sqltext.Backslash,
		`SELECT 1 /* \ */, E'\\', "\", $$\$$`:                                                     0,
		"SELECT 'é', /* é */ \"é\", $$é$$":                                                        0,
		"SELECT é":                                                                                sqltext.NonASCII,
		"SELECT E'é'":                                                                             sqltext.NonASCII,
		"SELECT $é$$é$":                                                                           sqltext.NonASCII,
		"SELECT 'a":                                                                               sqltext.Unterminated,
		`SELECT E'a\'`:                                                                            sqltext.Unterminated,
		`SELECT E'a\`:                                                                             sqltext.Unterminated,
		`SELECT "a`:                                                                               sqltext.Unterminated,
		`SELECT U&"a`:                                                                             sqltext.Unterminated | sqltext.Escaped,
		"SELECT $a$ $b$ $a":                                                                       sqltext.Unterminated,
		"SELECT 1 /* /* */":                                                                       sqltext.Unterminated,
		"SELECT 1 /*/":                                                                            sqltext.Unterminated,
		"SELECT (1":                                                                               sqltext.Unterminated,
		"CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;":                                              sqltext.Unterminated,
		`SELECT '\`: sqltext.Unterminated | sqltext.Backslash,
	} {
		if got := sqltext.Scan(text).Flags; got != want {
			t.Errorf("Scan(%q).Flags = %b, want %b", text, got, want)
		}
	}
}

func TestScanKinds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sqltext.Kinds{
		"":                        sqltext.Of(sqltext.Empty),
		"; ;":                     sqltext.Of(sqltext.Empty),
		"BEGIN; SELECT 1; COMMIT": sqltext.Of(sqltext.Begin, sqltext.Select, sqltext.Commit),
		"SELECT 1; DEALLOCATE a":  sqltext.Of(sqltext.Select, sqltext.Deallocate),
		"SELECT 1; SELECT 'a":     sqltext.Of(sqltext.Select, sqltext.Unknown),
		"SELECT 1; /*":            sqltext.Of(sqltext.Select, sqltext.Unknown),
		"foo":                     sqltext.Of(sqltext.Unknown),
	} {
		if got := sqltext.Scan(text).Kinds; got != want {
			t.Errorf("Scan(%q).Kinds = %b, want %b", text, got, want)
		}
	}
}

func TestLongTextsTakeLinearTime(t *testing.T) {
	t.Parallel()
	for _, piece := range []string{"/*", "*/", "$a", "$", "(", ")", "'", "e'\\", "\"", "U&", "set a.", "begin atomic ", ";", "--\n", "explain(", "declare a "} {
		text := strings.Repeat(piece, 1<<20/len(piece))
		sqltext.Scan(text)
		sqltext.First(text)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	texts := [][]byte{
		[]byte(typical), []byte("BEGIN"), []byte("DEALLOCATE _pg3_17"), []byte("SET LOCAL app.user_id = '7'"),
		[]byte(`SELECT "a quoted name that is longer than any name that is looked for" FROM pg_settings; SELECT 1`),
	}
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		for _, text := range texts[:3] {
			sum += len(sqltext.First(text).Name)
		}
		for _, text := range texts {
			sum += sqltext.Scan(text).Count
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
