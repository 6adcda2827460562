// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// numbered opens a gateway with a pool of one before a table with a serial key, and
// returns two of its clients. The second has inserted ten rows.
func numbered(t testing.TB) (g *gateway, one, other *pgx.Conn) {
	t.Helper()
	g = open(t, database(t), poolOf(1))
	testpg.Exec(t, g.upstream, "create table rows (id serial, n int)")
	one, other = g.connect(t), g.connect(t)
	for range 10 {
		must(t, other, insertRow)
	}
	return g, one, other
}

const insertRow = "insert into rows (n) values (1)"

// answerTo returns what a statement answers, or the SQLSTATE of its error.
func answerTo(t testing.TB, conn *pgx.Conn, mode pgx.QueryExecMode, sql string) string {
	t.Helper()
	rows, err := conn.Query(bounded(t), sql, mode)
	if err != nil {
		return code(err)
	}
	defer rows.Close()
	var answer string
	if rows.Next() {
		answer = string(rows.RawValues()[0])
	}
	rows.Close()
	if rows.Err() != nil {
		return code(rows.Err())
	}
	return answer
}

// currval and lastval give the client's own value or the error that there is none,
// never another client's.
func TestSequencesAnswerWithTheClientsOwnValues(t *testing.T) {
	t.Parallel()
	const none = "55000"
	for name, c := range map[string]struct {
		statements []string
		want       string // the answer of the last
	}{
		"lastval at first":          {[]string{"select lastval()::text"}, none},
		"currval at first":          {[]string{"select currval('rows_id_seq')::text"}, none},
		"in a block":                {[]string{"begin", "select lastval()::text"}, none},
		"later in a block":          {[]string{"begin", "select 1", "select lastval()::text"}, none},
		"after an insert":           {[]string{insertRow, "select lastval()::text"}, none},
		"in the same statement":     {[]string{"select nextval('rows_id_seq'), currval('rows_id_seq')", "select lastval()::text"}, "11"},
		"after a second insert":     {[]string{insertRow, "select lastval()::text", insertRow, "select lastval()::text"}, "12"},
		"in the first block to ask": {[]string{"begin", insertRow, "select lastval()::text"}, none},
		"in the next block":         {[]string{"begin", insertRow, "select lastval()::text", "rollback", "begin", insertRow, "select lastval()::text"}, "12"},
		"after DISCARD SEQUENCES":   {[]string{"select nextval('rows_id_seq'), currval('rows_id_seq')", "discard sequences", "select lastval()::text"}, none},
	} {
		for form, mode := range map[string]pgx.QueryExecMode{
			"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec, "prepared": pgx.QueryExecModeCacheStatement,
		} {
			t.Run(name+"/"+form, func(t *testing.T) {
				t.Parallel()
				_, one, _ := numbered(t)
				var got string
				for _, sql := range c.statements {
					got = answerTo(t, one, mode, sql)
				}
				if got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			})
		}
	}
}

// Once somebody has asked, an insert and its question may stand in one block of any
// client.
func TestSequencesAreKnownInTheBlockThatUsedThem(t *testing.T) {
	t.Parallel()
	for form, mode := range map[string]pgx.QueryExecMode{
		"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec, "prepared": pgx.QueryExecModeCacheStatement,
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			g, one, other := numbered(t)
			answerTo(t, one, mode, "select lastval()")
			for i, conn := range []*pgx.Conn{one, other, g.connect(t)} {
				must(t, conn, "discard all")
				g.balanced(t)
				answerTo(t, conn, mode, "begin")
				answerTo(t, conn, mode, insertRow)
				if got, want := answerTo(t, conn, mode, "select lastval()::text"), string(rune('1'+i)); got != "1"+want {
					t.Errorf("client %d got %s, want 1%s", i, got, want)
				}
				must(t, conn, "commit; discard sequences")
				g.pins(t, 0)
			}
		})
	}
}

// In the middle of a group nothing can be sent in front of the question.
func TestAQuestionInsideAGroupIsRefusedRatherThanAnsweredWithAnothersValue(t *testing.T) {
	t.Parallel()
	g, _, _ := numbered(t)
	r := g.raw(t)
	r.send(t, append(extended(insertRow), group("select lastval()")...)...)
	if got, want := r.transcript(t, 1), "1 2 C 1 E(55000) Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.send(t, append(extended(insertRow), &pgproto3.Query{String: "select lastval()"})...)
	if got, want := r.transcript(t, 1), "1 2 C E(55000) Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.query(t, "select 1")
	if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
