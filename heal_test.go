// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// preparing is a group that prepares a statement and asks what it returns.
func preparing(name, sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{
		&pgproto3.Parse{Name: name, Query: sql},
		&pgproto3.Describe{ObjectType: 'S', Name: name},
		&pgproto3.Sync{},
	}
}

// running is a group that runs a prepared statement; with describe it asks for
// the columns as well.
func running(name string, describe bool) []pgproto3.FrontendMessage {
	list := []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: name}}
	if describe {
		list = append(list, &pgproto3.Describe{ObjectType: 'P'})
	}
	return append(list, &pgproto3.Execute{}, &pgproto3.Sync{})
}

// selecting returns a client that has prepared s, which returns all columns of a
// table, and a function with which another client adds a column to the table.
func selecting(t *testing.T) (r *raw, widen func()) {
	t.Helper()
	g := open(t, database(t), poolOf(1))
	other := g.connect(t)
	must(t, other, "create table t as select 1 as a")
	r = g.raw(t)
	r.send(t, preparing("s", "select * from t")...)
	r.transcript(t, 1)
	return r, func() { must(t, other, "alter table t add b int default 2") }
}

func TestChangedPlanIsHealedWhereTheClientAsksForTheColumns(t *testing.T) {
	t.Parallel()
	r, widen := selecting(t)
	r.send(t, running("s", true)...)
	if got, want := r.transcript(t, 1), "2 T D C Z(I)"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	widen()
	r.send(t, running("s", true)...)
	if got, want := r.transcript(t, 1), "2 T D C Z(I)"; got != want {
		t.Fatalf("after the change: got %q, want %q", got, want)
	}
}

// What runs in front of it in the same write has happened, and is not sent again.
func TestChangedPlanInAPipelineRunsNothingTwice(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	other := g.connect(t)
	must(t, other, "create table t as select 1 as a; create table runs (n int)")
	r := g.raw(t)
	r.send(t, preparing("s", "select * from t")...)
	r.transcript(t, 1)
	r.send(t, running("s", true)...)
	r.transcript(t, 1)
	must(t, other, "alter table t add b int default 2")
	r.send(t, append(group("insert into runs values (1)"), running("s", true)...)...)
	if got, want := r.transcript(t, 2), "1 2 C Z(I) E(0A000) Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := number(t, other, "select count(*) from runs"); got != 1 {
		t.Errorf("the INSERT in front ran %d times", got)
	}
}

func TestChangedPlanReachesAClientThatKeepsTheOldColumns(t *testing.T) {
	t.Parallel()
	r, widen := selecting(t)
	r.send(t, running("s", false)...)
	r.transcript(t, 1)
	widen()
	for range 2 {
		r.send(t, running("s", false)...)
		if got := r.failure(t); got.Code != "0A000" {
			t.Fatalf("got %s %s, want 0A000", got.Code, got.Message)
		}
		r.transcript(t, 1)
	}
	// Prepared again under another name, it has the new columns.
	r.send(t, preparing("s2", "select * from t")...)
	r.transcript(t, 1)
	r.send(t, running("s2", false)...)
	if got, want := r.transcript(t, 1), "2 D C Z(I)"; got != want {
		t.Fatalf("prepared again: got %q, want %q", got, want)
	}
}

func TestStatementRemovedBehindWeirIsPreparedAgain(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	r := g.raw(t)
	r.send(t, preparing("s", "select 1")...)
	r.transcript(t, 1)
	must(t, g.connect(t), "do $$ begin execute 'deallocate all'; end $$")
	r.send(t, running("s", false)...)
	if got, want := r.transcript(t, 1), "2 D C Z(I)"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	r.send(t, running("unknown", false)...)
	if got := r.failure(t); got.Code != "26000" || got.Message != `prepared statement "unknown" does not exist` {
		t.Fatalf("got %s %s", got.Code, got.Message)
	}
	r.transcript(t, 1)
}

func TestNothingIsHealedInsideABlock(t *testing.T) {
	t.Parallel()
	r, widen := selecting(t)
	r.send(t, running("s", true)...)
	r.transcript(t, 1)
	widen()
	r.query(t, "begin; select 1")
	r.transcript(t, 1)
	r.send(t, running("s", true)...)
	if got := r.failure(t); got.Code != "0A000" {
		t.Fatalf("got %s %s, want 0A000", got.Code, got.Message)
	}
}

func TestPreparedAgainAfterAChangedTypeItIsNew(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	other := g.connect(t)
	must(t, other, "create table t (a int4)")
	r := g.raw(t)
	insert := "insert into t values ($1)"
	bind := func(value string) []pgproto3.FrontendMessage {
		return []pgproto3.FrontendMessage{
			&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte(value)}},
			&pgproto3.Execute{}, &pgproto3.Sync{},
		}
	}
	r.send(t, preparing("s", insert)...)
	r.transcript(t, 1)
	must(t, other, "alter table t alter a type text")
	r.send(t, bind("not a number")...)
	if got, want := r.transcript(t, 1), "E(22P02) Z(I)"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	r.send(t, &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
	r.transcript(t, 1)
	r.send(t, preparing("s", insert)...)
	r.transcript(t, 1)
	r.send(t, bind("not a number")...)
	if got, want := r.transcript(t, 1), "2 C Z(I)"; got != want {
		t.Fatalf("prepared again: got %q, want %q", got, want)
	}
}

func TestPreparedAgainAfterDDLItHasTheNewTypes(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	r := g.raw(t)
	types := func() uint32 {
		t.Helper()
		r.send(t, preparing("s", "insert into t values ($1)")...)
		for {
			m, err := r.front.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if d, ok := m.(*pgproto3.ParameterDescription); ok {
				oid := d.ParameterOIDs[0]
				r.transcript(t, 1)
				return oid
			}
		}
	}
	r.query(t, "create table t (a int4)")
	r.transcript(t, 1)
	if got := types(); got != 23 {
		t.Fatalf("type %d, want 23, int4", got)
	}
	r.query(t, "alter table t alter a type bool using a::bool")
	r.transcript(t, 1)
	r.send(t, &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
	r.transcript(t, 1)
	if got := types(); got != 16 {
		t.Fatalf("after the change: type %d, want 16, bool", got)
	}
}
