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
		"after an insert":           {[]string{insertRow, "select lastval()::text"}, "11"},
		"currval after an insert":   {[]string{insertRow, "select currval('rows_id_seq')::text"}, "11"},
		"in the same statement":     {[]string{"select nextval('rows_id_seq'), currval('rows_id_seq')", "select lastval()::text"}, "11"},
		"after a second insert":     {[]string{insertRow, "select lastval()::text", insertRow, "select lastval()::text"}, "12"},
		"in the first block to ask": {[]string{"begin", insertRow, "select lastval()::text"}, "11"},
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

// A question may stand in one group with what it is about.
func TestAQuestionInsideAGroupIsAnsweredWithTheClientsOwnValue(t *testing.T) {
	t.Parallel()
	g, _, other := numbered(t)
	r := g.raw(t)
	r.send(t, append(extended(insertRow), group("select lastval()")...)...)
	if got, want := r.transcript(t, 1), "1 2 C 1 2 D C Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.query(t, "discard all")
	r.transcript(t, 1)
	must(t, other, insertRow)
	r.send(t, append(extended("select 1"), group("select lastval()")...)...)
	if got, want := r.transcript(t, 1), "1 2 D C 1 2 E(55000) Z(I)"; got != want {
		t.Errorf("without a value of its own: got %q, want %q", got, want)
	}
	r.query(t, "select 1")
	if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What PHP's drivers do for lastInsertId: an INSERT and a question, each on its own, by
// a client that has just come, while others use the pool.
func TestNewcomersFindTheirOwnValues(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(6))
	testpg.Exec(t, g.upstream, "create table rows (id serial, n int)")
	var others []*pgx.Conn
	for range 6 { // more than go on, so that nobody has to take the newcomer's
		others = append(others, g.connect(t))
		must(t, others[len(others)-1], "begin; "+insertRow)
	}
	for _, other := range others {
		must(t, other, "commit") // all connections are open and have somebody's values
	}
	for _, other := range others[3:] {
		_ = other.PgConn().Conn().Close()
	}
	until(t, "them to have left", func() bool { return g.Status().Clients.Total == 3 })
	for i := range 10 {
		newcomer := g.connect(t, "application_name=newcomer")
		if got := answerTo(t, newcomer, pgx.QueryExecModeSimpleProtocol, "insert into rows (n) values (7) returning id::text"); got == "" {
			t.Fatal("no id")
		} else {
			for _, other := range others[:i%4] {
				must(t, other, "select 1")
				if i%2 == 0 {
					must(t, other, insertRow)
				}
			}
			if last := answerTo(t, newcomer, pgx.QueryExecModeSimpleProtocol, "select lastval()::text"); last != got {
				t.Errorf("lastval is %s, want %s", last, got)
			}
		}
		_ = newcomer.PgConn().Conn().Close()
		g.balanced(t)
	}
}

// However a stranger asks, there is no value for it.
func TestStrangersFindNoValues(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	testpg.Exec(t, g.upstream, `create table rows (id serial, n int); create view hidden as select lastval();
		create function deep() returns bigint language plpgsql as $$ begin return lastval(); end $$;
		create table defaults (n bigint default lastval(), x int)`)
	writer := g.connect(t)
	for name, sql := range map[string]string{
		"by name":         "select lastval()",
		"currval":         "select currval('rows_id_seq')",
		"in a DO":         "do $$ begin perform lastval(); end $$",
		"made up in a DO": "do $$ begin execute 'select last' || 'val()'; end $$",
		"escaped":         `select U&"lastv\0061l"()`,
		"quoted":          `select "lastval"()`,
		"in a view":       "select * from hidden",
		"in a function":   "select deep()",
		"in a default":    "insert into defaults (x) values (1)",
		"as XML":          "select query_to_xml('select lastval()', true, true, '')",
		"as XML of view":  "select table_to_xml('hidden', true, true, '')",
		"by ts_stat":      "select * from ts_stat('select to_tsvector(lastval()::text)')",
		"explained":       "explain analyze select lastval()",
		"copied":          "copy (select lastval()) to stdout",
		"prepared":        "prepare p as select lastval(); execute p",
	} {
		for form, mode := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec} {
			if form == "extended" && name == "prepared" {
				continue // two statements
			}
			must(t, writer, insertRow)
			stranger := g.connect(t)
			if got := answerTo(t, stranger, mode, sql); got != "55000" {
				t.Errorf("%s, %s: got %q, want 55000", name, form, got)
			}
			_ = stranger.PgConn().Conn().Close()
		}
	}
	for _, oid := range []uint32{2559} { // lastval
		must(t, writer, insertRow)
		r := g.raw(t)
		r.send(t, &pgproto3.FunctionCall{Function: oid})
		if got, want := r.transcript(t, 1), "E(55000) Z(I)"; got != want {
			t.Errorf("function %d: got %q, want %q", oid, got, want)
		}
	}
}

// A login with settings that the pool does not know yet is a visit of weir's own to a
// connection, which does not make it a new one.
func TestVisitsOfWeirsOwnLeaveNobodysValues(t *testing.T) {
	t.Parallel()
	g, one, _ := numbered(t)
	must(t, one, insertRow)
	stranger := g.connect(t, "work_mem=7MB", "lock_timeout=77s")
	if got := answerTo(t, stranger, pgx.QueryExecModeSimpleProtocol, "select lastval()::text"); got != "55000" {
		t.Errorf("got %s, want 55000", got)
	}
}
