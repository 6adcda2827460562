// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestTheSameTextUnnamedIsNoNamedStatement has a group that fails in front of one that
// uses what the failed one would have prepared, behind a Parse of the same text that
// prepares the unnamed statement.
func TestTheSameTextUnnamedIsNoNamedStatement(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	one, other, r := g.raw(t), g.raw(t), g.raw(t)
	say := func(client *raw, want string, sent ...pgproto3.FrontendMessage) {
		t.Helper()
		client.send(t, sent...)
		groups := 0
		for _, m := range sent {
			switch m.(type) {
			case *pgproto3.Query, *pgproto3.Sync:
				groups++
			}
		}
		if got := client.transcript(t, groups); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	const sql = "select 'the same'"
	say(one, "C T C Z(T)", simple("begin; select from pg_class where false")...)
	say(r, "1 Z(I)", prepareNamed("s0", sql)...)
	say(other, "C T C Z(T)", simple("begin; select from pg_class where false")...)
	say(one, "C Z(I)", simple("rollback")...) // its upstream has no such statement
	say(r, "E(42P05) Z(I) 1 2 D C Z(I)", slices.Concat(
		[]pgproto3.FrontendMessage{&pgproto3.Parse{Name: "s0", Query: "select 2"}}, executeNamed("s0"),
		[]pgproto3.FrontendMessage{&pgproto3.Parse{Query: sql}}, executeNamed("s0"))...)
	say(other, "C Z(I)", simple("rollback")...)
	g.balanced(t)
}
