// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"testing"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

func TestBlocksThatDoNothingNeedNoConnection(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	testpg.Exec(t, g.upstream, "create table rows (n int)")
	clients := make([]*raw, 5)
	for i := range clients {
		clients[i] = g.raw(t)
		clients[i].query(t, "begin")
		if got := clients[i].transcript(t, 1); got != "C Z(T)" {
			t.Fatalf("begin got %q", got)
		}
	}
	g.balanced(t) // no connection is held by blocks that have done nothing
	for i, r := range clients {
		r.query(t, fmt.Sprintf("insert into rows values (%d)", i))
		if got := r.transcript(t, 1); got != "C Z(T)" {
			t.Fatalf("insert got %q", got)
		}
		end := []string{"commit", "rollback"}[i%2]
		r.query(t, end)
		if got := r.transcript(t, 1); got != "C Z(I)" {
			t.Fatalf("%s got %q", end, got)
		}
	}
	if got := fmt.Sprint(testpg.Exec(t, g.upstream, "select n from rows order by 1")); got != "[[0] [2] [4]]" {
		t.Errorf("committed were %s, want those of clients 0, 2 and 4", got)
	}
	if n := g.Status().Pools[0].Deferred; n != 5 {
		t.Errorf("%d blocks were counted as held back, want 5", n)
	}
}

func TestAHeldBackBlockIsTheOneThatWasAskedFor(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	for _, script := range []struct {
		begin []string
		want  string
	}{
		{[]string{"begin"}, "read committed off off"},
		{[]string{"begin isolation level repeatable read, read only"}, "repeatable read on off"},
		{[]string{"start transaction read only"}, "read committed on off"},
		{[]string{"begin", "set transaction isolation level repeatable read", "set transaction read only, deferrable"}, "repeatable read on on"},
		{[]string{"begin isolation level serializable"}, "serializable off off"},
		{[]string{"begin", "set transaction isolation level serializable"}, "serializable off off"},
	} {
		conn := g.connect(t)
		for _, sql := range script.begin {
			must(t, conn, sql)
		}
		got := ask(t, conn, "select concat_ws(' ', current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable'))")
		if got != script.want {
			t.Errorf("%q: the transaction is %q, want %q", script.begin, got, script.want)
		}
		must(t, conn, "rollback")
	}
}

func TestPostgreSQLMayRestartBetweenBeginAndTheFirstStatement(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	g := open(t, server.URL(), poolOf(2))
	conn := g.connect(t)
	must(t, conn, "begin")
	if err := server.Restart(t.Context(), pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	must(t, conn, "create table rows as select 1 as n")
	must(t, conn, "commit")
	if got := ask(t, conn, "select n from rows"); got != "1" {
		t.Errorf("the table has %q", got)
	}
}

func TestBeginCanBeSentAtOnce(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1), func(c *weir.Config) { c.Pool.DeferBegin = false })
	r := g.raw(t)
	r.query(t, "begin")
	r.transcript(t, 1)
	if active := g.Status().Upstreams.Active; active != 1 {
		t.Errorf("%d connections are held, want 1", active)
	}
}
