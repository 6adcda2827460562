// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// TestDescribedColumnsStayWhereAStatementIsPreparedAnew changes a table between the
// Describe of a statement and its Bind, in a session of PostgreSQL's and through weir,
// where the connection has lost the statement meanwhile: the client must not get rows
// of other columns than it was told of.
func TestDescribedColumnsStayWhereAStatementIsPreparedAnew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statement, change, forget string
		before, after             []pgproto3.FrontendMessage
	}{
		"another column":      {"s", "alter table t add b int default 2", "deallocate all", nil, nil},
		"another type":        {"s", "alter table t alter a type text", "deallocate all", nil, nil},
		"another name":        {"s", "alter table t rename a to b", "deallocate all", nil, nil},
		"the same":            {"s", "comment on table t is 'the same'", "deallocate all", nil, nil},
		"the same table anew": {"s", "drop table t; create table t as select 1 as a", "deallocate all", nil, nil},
		"removed unseen":      {"s", "alter table t add b int default 2", "do $$ begin execute 'deallocate all'; end $$", nil, nil},
		"in a block":          {"s", "alter table t add b int default 2", "deallocate all", []pgproto3.FrontendMessage{&pgproto3.Query{String: "begin"}, &pgproto3.Query{String: "select 0"}}, []pgproto3.FrontendMessage{&pgproto3.Query{String: "rollback"}}},
		"in a pipeline":       {"s", "alter table t add b int default 2", "deallocate all", group("insert into runs values (1)"), group("select count(*) from runs")},
		"unnamed":             {"", "alter table t add b int default 2", "select 'another''s'", nil, nil},
		"unnamed, the same":   {"", "comment on table t is 'the same'", "select 'another''s'", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			g := open(t, url, poolOf(1))
			var told [2]string
			for i, url := range []string{url, g.url()} {
				other, err := pgx.Connect(bounded(t), url)
				if err != nil {
					t.Fatal(err)
				}
				must(t, other, "drop table if exists t, runs; create table t as select 1 as a; create table runs (n int)")
				conn, err := pgconn.Connect(bounded(t), url)
				if err != nil {
					t.Fatal(err)
				}
				r := hijack(t, conn)
				r.send(t, preparing(c.statement, "select * from t")...)
				told[i] = r.transcript(t, 1)
				must(t, other, c.change)
				must(t, other, c.forget)
				for range 2 {
					sent := append(append(append([]pgproto3.FrontendMessage{}, c.before...), running(c.statement, false)...), c.after...)
					r.send(t, sent...)
					told[i] += "\n" + r.transcript(t, ends(sent))
				}
				r.send(t, preparing("fresh", "select * from t")...)
				told[i] += "\n" + r.transcript(t, 1)
				r.send(t, running("fresh", false)...)
				told[i] += "\n" + r.transcript(t, 1)
				_ = other.Close(bounded(t)) // it has nothing to lose
			}
			if told[1] != told[0] {
				t.Errorf("told\n%s\nand by PostgreSQL\n%s", told[1], told[0])
			}
			if same := strings.Contains(name, "same"); same == strings.Contains(told[0], "0A000") {
				t.Errorf("PostgreSQL says %s", told[0])
			}
		})
	}
}

// ends counts the messages after which ReadyForQuery comes.
func ends(messages []pgproto3.FrontendMessage) (n int) {
	for _, m := range messages {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			n++
		}
	}
	return n
}
