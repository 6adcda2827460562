// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestWhatFollowsACopyThatIsRefusedIsNoData sends statements right behind a COPY into
// a view, which PostgreSQL refuses after it has said that it begins (BeginCopyFrom
// before CopyFrom, copyfrom.c). Whether weir has read the refusal by then is a matter
// of time: so it does that often.
func TestWhatFollowsACopyThatIsRefusedIsNoData(t *testing.T) {
	t.Parallel()
	g := table(t, poolOf(1))
	must(t, g.connect(t), "create view shown as select * from rows")
	r := g.raw(t)
	for i := range 30 {
		r.send(t,
			&pgproto3.Parse{Query: "copy shown from stdin"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{},
			&pgproto3.Parse{Name: "mine", Query: "select 1"}, &pgproto3.Bind{PreparedStatement: "mine"}, &pgproto3.Execute{}, &pgproto3.Sync{},
			&pgproto3.Bind{PreparedStatement: "mine"}, &pgproto3.Execute{}, &pgproto3.Close{ObjectType: 'S', Name: "mine"}, &pgproto3.Sync{},
		)
		const want = "1 2 G E(42809) Z(I) 1 2 D C Z(I) 2 D C 3 Z(I)"
		if got := r.transcript(t, 3); got != want {
			t.Fatalf("round %d: told %q, expected %q", i, got, want)
		}
	}
	if found := ask(t, g.connect(t), "select count(*) from pg_prepared_statements where name = 'mine'"); found != "0" {
		t.Errorf("%s statements under the client's own name are left", found)
	}
}
