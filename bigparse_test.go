// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

func TestALongParseWaitsForAnUpstreamAndIsPreparedWhole(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	holder, r := g.raw(t), g.raw(t)
	holder.query(t, "begin; select 1")
	holder.transcript(t, 1)
	for _, size := range []int{20 << 10, 100 << 10, 2 << 20, 6 << 20} {
		sql := "select length('" + strings.Repeat("x", size) + "')"
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			r.send(t, group(sql)...)
		}()
		until(t, "the request to wait", func() bool { return g.Status().Waiting == 1 })
		holder.query(t, "commit")
		holder.transcript(t, 1)
		if got, want := r.transcript(t, 1), "1 2 D C Z(I)"; got != want {
			t.Fatalf("%d bytes: got %q, want %q", size, got, want)
		}
		<-sent
		holder.query(t, "begin; select 1")
		holder.transcript(t, 1)
	}
	holder.query(t, "commit")
	holder.transcript(t, 1)
	// Named, it stays prepared whole; too long for weir to keep, it is refused.
	r.send(t, &pgproto3.Parse{Name: "long", Query: "select length('" + strings.Repeat("x", 2<<20) + "')"}, &pgproto3.Sync{})
	if got, want := r.transcript(t, 1), "1 Z(I)"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	r.send(t, running("long", false)...)
	if got, want := r.transcript(t, 1), "2 D C Z(I)"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	r.send(t, &pgproto3.Parse{Name: "longer", Query: "select length('" + strings.Repeat("x", 6<<20) + "')"}, &pgproto3.Sync{})
	if got, want := r.transcript(t, 1), "E(53200) Z(I)"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}
