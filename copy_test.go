// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
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

// TestACopyThatBeginsAnywhereEnds has PostgreSQL copy in where a COPY stands, and where
// none is seen, sends more behind it, and goes away. PostgreSQL ends such a client; it
// must not keep its upstream.
func TestACopyThatBeginsAnywhereEnds(t *testing.T) {
	t.Parallel()
	type messages = []pgproto3.FrontendMessage
	upstream := database(t)
	testpg.Exec(t, upstream, "create table rows (n int)")
	const do = "do $$begin execute 'execute s0'; end$$"
	closing := messages{&pgproto3.Close{ObjectType: 'S', Name: "a"}, &pgproto3.Close{ObjectType: 'S', Name: "b"}}
	for begins, first := range map[string]messages{
		"a copy":           group("copy rows from stdin"),
		"a prepared one":   {&pgproto3.Bind{PreparedStatement: "s0"}, &pgproto3.Execute{}, &pgproto3.Sync{}},
		"DO":               group(do),
		"DO without Sync":  extended(do),
		"DO in a block":    slices.Concat(simple("begin"), group(do)),
		"DO twice":         slices.Concat(group("do $$begin end$$"), group(do)),
		"a simple DO":      simple(do),
		"behind a value":   simple("select 1; " + do),
		"a simple copy":    simple("copy rows from stdin"),
		"copies in a text": simple("copy rows from stdin; copy rows from stdin"),
	} {
		for follows, second := range map[string]messages{
			"nothing":      nil,
			"a Sync":       {&pgproto3.Sync{}},
			"Close":        append(slices.Clone(closing), &pgproto3.Sync{}),
			"Flush":        append(slices.Clone(closing), &pgproto3.Flush{}),
			"a group":      group("select 1"),
			"several":      slices.Concat(group("select 1"), group("set work_mem = '5MB'"), group("select 2")),
			"a query":      simple("select 1"),
			"a DEALLOCATE": simple("deallocate s0"),
			"data":         {&pgproto3.CopyData{Data: []byte("1\n")}},
			"another":      group(do),
		} {
			t.Run(begins+", "+follows, func(t *testing.T) {
				t.Parallel()
				g := open(t, upstream, poolOf(1))
				told := map[bool]string{}
				for _, through := range []bool{false, true} {
					r := rawDirect(t, upstream)
					if through {
						r = g.raw(t)
					}
					r.send(t, &pgproto3.Parse{Name: "s0", Query: "copy rows from stdin"}, &pgproto3.Sync{})
					r.transcript(t, 1)
					r.send(t, slices.Concat(first, second, messages{&pgproto3.Terminate{}})...)
					told[through] = r.transcript(t, 9)
				}
				if !strings.HasSuffix(told[true], "EOF") || len(told[true]) > len(told[false]) {
					t.Errorf("told %q, directly %q", told[true], told[false])
				}
				g.balanced(t)
			})
		}
	}
}
