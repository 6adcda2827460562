// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// runByConstants makes types whose constants set a role and take a lock, which
// nothing undoes but an end of the role's setting by a rollback.
const runByConstants = "create function evil() returns text language plpgsql as $$begin perform set_config('role', 'pg_monitor', false); perform pg_advisory_lock(7); return 'x'; end$$;" +
	"create domain judged as text check (evil() is not null); create type held as (a judged); create table t (h held);" +
	"create function f(held) returns int language sql as 'select 1'; grant all on t to public"

// whoAndWhat is what they leave.
const whoAndWhat = "select concat(current_user, ' ', (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()))"

// PostgreSQL makes the values of constants at Parse. What that leaves behind reaches
// nobody else, although nothing is bound.
func TestParseAloneLeavesNothingToOthers(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, runByConstants)
	g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
	parse := func(name, sql string) pgproto3.FrontendMessage { return &pgproto3.Parse{Name: name, Query: sql} }
	query := func(sql string) pgproto3.FrontendMessage { return &pgproto3.Query{String: sql} }
	sync := &pgproto3.Sync{}
	const hot = "select '(x)'::held"
	for name, messages := range map[string][]pgproto3.FrontendMessage{
		"unnamed":           {parse("", hot), sync},
		"named":             {parse("n", hot), sync},
		"described":         {parse("n", hot), &pgproto3.Describe{ObjectType: 'S', Name: "n"}, sync},
		"column":            {parse("", "insert into t values ('(x)')"), sync},
		"argument":          {parse("", "select f('(x)')"), sync},
		"array":             {parse("", "select '{(x)}'::held[]"), sync},
		"behind another":    {parse("", "select 1"), parse("", hot), sync},
		"in front":          {parse("", hot), parse("", "select 1"), sync},
		"in a block":        {query("begin"), parse("n", hot), sync, query("commit")},
		"failing behind it": {parse("", "select '(x)'::held, nothing"), sync},
		"name twice":        {parse("n", "select 1"), sync, parse("n", hot), sync},
		"long":              {parse("", hot+" -- "+strings.Repeat("x", 5<<20)), sync},
		"odd":               {parse("", `select '(x)'::U&"h\0065ld"`), sync},
	} {
		one, other := g.raw(t), g.connect(t)
		one.send(t, messages...)
		groups := 0
		for _, m := range messages {
			switch m.(type) {
			case *pgproto3.Query, *pgproto3.Sync:
				groups++
			}
		}
		told := one.transcript(t, groups)
		if failed := strings.Contains(told, "E("); failed != (name == "failing behind it" || name == "name twice") {
			t.Errorf("%s: %s", name, told)
		}
		if got := answers(t, other, whoAndWhat); got != "postgres 0" {
			t.Errorf("%s: the other client finds %q", name, got)
		}
		_ = one.Close()
		_ = other.Close(bounded(t))
		g.pins(t, 0)
	}
}

// Weir's own Parse of a client's statement runs them too.
func TestParseElsewhereLeavesNothingToOthers(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, runByConstants)
	g := open(t, url, poolOf(3))
	for _, ask := range []func(*raw){
		func(one *raw) { one.send(t, &pgproto3.Describe{ObjectType: 'S', Name: "n"}, &pgproto3.Sync{}) },
		func(one *raw) { one.query(t, "explain execute n") },
		func(one *raw) { one.query(t, "deallocate n") },
	} {
		one, holder, other := g.raw(t), g.connect(t), g.connect(t)
		one.send(t, &pgproto3.Parse{Name: "n", Query: "select '(x)'::held"}, &pgproto3.Sync{})
		one.transcript(t, 1)
		one.query(t, "select pg_advisory_unlock_all()")
		one.transcript(t, 1)
		one.query(t, "reset role")
		one.transcript(t, 1)
		must(t, holder, "begin; select 1") // on the connection that one had
		ask(one)
		one.transcript(t, 1)
		if got := answers(t, other, whoAndWhat); got != "postgres 0" {
			t.Errorf("the other client finds %q", got)
		}
		must(t, holder, "rollback")
		if got := answers(t, other, whoAndWhat); got != "postgres 0" {
			t.Errorf("afterwards the other client finds %q", got)
		}
		_ = one.Close()
		_ = holder.Close(bounded(t))
		_ = other.Close(bounded(t))
	}
}

// A type of which weir does not know yet may run anything.
func TestTypesMadeJustNowMayRunAnything(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, runByConstants)
	g := open(t, url, poolOf(2))
	one, other := g.raw(t), g.connect(t)
	one.query(t, "select 1")
	one.transcript(t, 1)
	testpg.Exec(t, url, "create domain late as judged")
	oid, err := strconv.ParseUint(answers(t, direct(t, url), "select 'late'::regtype::oid"), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	one.send(t, &pgproto3.Parse{Query: "select 1", ParameterOIDs: []uint32{uint32(oid)}}, &pgproto3.Bind{Parameters: [][]byte{[]byte("x")}}, &pgproto3.Sync{})
	one.transcript(t, 1)
	if got := answers(t, other, whoAndWhat); got != "postgres 0" {
		t.Errorf("the other client finds %q", got)
	}
	_ = one.Close()
}

// What a Parse runs is run for each client that sends it, also where weir could answer
// it from memory or the upstream has the statement already.
func TestParseRunsForEachClient(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, runByConstants)
	g := open(t, url, poolOf(1))
	for _, again := range []string{"answered from memory", "in a group with others"} {
		messages := []pgproto3.FrontendMessage{&pgproto3.Parse{Name: "n", Query: "select '(x)'::held"}, &pgproto3.Sync{}}
		if again == "in a group with others" {
			messages = append(extended("select 1"), messages...)
		}
		for range 3 {
			one := g.connect(t)
			r := hijack(t, one.PgConn())
			r.send(t, messages...)
			r.transcript(t, 1)
			r.query(t, whoAndWhat)
			rows := ""
			for {
				m, err := r.front.Receive()
				if err != nil {
					t.Fatal(err)
				}
				if d, ok := m.(*pgproto3.DataRow); ok {
					rows = string(d.Values[0])
				}
				if _, ok := m.(*pgproto3.ReadyForQuery); ok {
					break
				}
			}
			if rows == "postgres 0" {
				t.Errorf("%s: the Parse has run nothing", again)
			}
			_ = r.Close()
		}
	}
}
