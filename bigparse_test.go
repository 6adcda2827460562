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
	for _, size := range []int{20 << 10, 100 << 10, 2 << 20, 6 << 20} {
		holder.query(t, "begin; select 1")
		holder.transcript(t, 1)
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
	}
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

// TestAParseTooLongToBeReadKeepsItsClient sets something at the beginning of a text
// that weir forwards unread.
func TestAParseTooLongToBeReadKeepsItsClient(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(2))
	r := g.raw(t)
	r.send(t, group("set work_mem = '7777kB' /*"+strings.Repeat("x", 5<<20)+"*/")...)
	if got, want := r.transcript(t, 1), "1 2 C Z(I)"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	for range 3 {
		if got := ask(t, g.connect(t), "show work_mem"); got == "7777kB" {
			t.Fatalf("another client has the work_mem of the text's")
		}
		r.query(t, "select 1 / (current_setting('work_mem') = '7777kB')::int")
		if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
			t.Fatalf("the client's own work_mem: got %q, want %q", got, want)
		}
	}
}
