// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// asides are what a client sends, one write after the other, where weir runs something
// of its own in front, or answers itself.
var asides = func() map[string][][]pgproto3.FrontendMessage {
	type messages = []pgproto3.FrontendMessage
	once := func(list ...messages) messages { return slices.Concat(list...) }
	run := func(portal string) messages { return messages{&pgproto3.Execute{Portal: portal, MaxRows: 1}} }
	bound := func(portal, sql string) messages {
		return messages{&pgproto3.Parse{Query: sql}, &pgproto3.Bind{DestinationPortal: portal}}
	}
	const (
		rows, insert = "table three", "insert into rows (n) values (1)"
		lock, unlock = "select pg_advisory_lock_shared(7)", "select pg_advisory_unlock_shared(7)"
		set, isKept  = "set work_mem = '7MB'", "do $$ begin if current_setting('work_mem') = '7MB' then raise 'kept'; end if; end $$"
		serializable = "set transaction isolation level serializable"
	)
	var (
		sync, flush = messages{&pgproto3.Sync{}}, messages{&pgproto3.Flush{}}
		describe    = once(messages{&pgproto3.Describe{ObjectType: 'P'}}, sync)
		begins      = once(extended("start transaction"), describe)                                      // not held back
		begun       = once(simple("begin"), bound("", rows), run(""), sync)                              // the unnamed portal has more
		goesOn      = once(bound("p", rows), run("p"), flush)                                            // this one too, in a group that goes on
		locks       = messages{&pgproto3.FunctionCall{Function: 2881, Arguments: [][]byte{[]byte("7")}}} // pg_advisory_lock_shared
		lastval     = messages{&pgproto3.FunctionCall{Function: 2559}}
	)
	return map[string][]messages{
		"the portal of BEGIN":              {begins, once(messages{&pgproto3.Parse{Query: insert}}, describe)},
		"the unnamed portal":               {begun, prepareNamed("s0", insert), once(run(""), sync)},
		"the unnamed portal, in one write": {once(begun, prepareNamed("s0", insert), run(""), sync)},
		"the unnamed portal, lock":         {begun, prepareNamed("s0", lock), once(run(""), sync), group("commit"), simple(unlock)},
		"the unnamed portal, FunctionCall": {begun, locks, once(run(""), sync), group("commit"), simple(unlock)},
		"a FunctionCall that fails":        {begun, lastval, once(run(""), sync)},
		"a group that goes on":             {goesOn, once(extended(insert), run("p"), sync)},
		"a group that goes on, lock":       {goesOn, once(extended(lock), run("p"), sync), simple(unlock)},
		"a lock by a query in a block":     {begun, simple(lock), once(run(""), sync), simple("rollback"), simple(unlock)},
		"undone by a query":                {once(extended(set), flush), simple(insert + "; select 1/0"), simple(isKept)},
		"undone by a query, in one write":  {once(extended(set), simple(insert+"; select 1/0")), simple(isKept)},
		"undone by a FunctionCall":         {once(extended(set), flush), lastval, simple(isKept)},
		"ended by a FunctionCall":          {once(extended(set), locks), simple("show work_mem"), simple(unlock)},
		"a FunctionCall that is skipped":   {once(extended("select 1/0"), locks, sync), simple(unlock)},
		"LOCK before the snapshot":         {begins, simple("lock table rows in share mode"), simple(serializable)},
		"NOTIFY before the snapshot":       {begins, simple("notify c; listen c; unlisten c; unlisten *"), simple(serializable)},
		"DEALLOCATE":                       {prepareNamed("s0", rows), begun, simple("deallocate s0"), once(run(""), sync)},
		"DEALLOCATE behind BEGIN":          {prepareNamed("s0", rows), group("begin"), simple("deallocate s0"), describe},
		"DEALLOCATE takes a snapshot":      {prepareNamed("s0", rows), simple("begin"), simple("deallocate s0"), simple(serializable)},
		"DEALLOCATE ends a group":          {prepareNamed("s0", rows), once(extended(set), flush), simple("deallocate s0"), once(extended("select 1/0"), sync), simple(isKept)},
	}
}()

// TestWhatWeirRunsItselfIsNotSeen says the same to PostgreSQL and to weir, which runs
// statements of its own in front of some: DISCARD SEQUENCES, because others have used the
// connection, and one that takes its statement_timeout off.
func TestWhatWeirRunsItselfIsNotSeen(t *testing.T) {
	t.Parallel()
	upstream := database(t)
	testpg.Exec(t, upstream, "create table rows (id serial, n int); create table three as values (1), (2), (3)")
	g := open(t, upstream, poolOf(1), func(c *weir.Config) { c.Pool.StatementTimeout = time.Minute })
	other, direct, through := g.raw(t), rawDirect(t, upstream), g.raw(t)
	reset := slices.Concat(simple("rollback"), simple("discard all"))
	for _, before := range []string{"select 1", "select lastval()"} { // from when on weir expects such questions
		for name, writes := range asides {
			other.send(t, slices.Concat(simple(before), simple("discard all"), simple("insert into rows (n) values (1)"))...)
			other.transcript(t, 3)
			for i, write := range append(writes, reset) {
				direct.send(t, write...)
				through.send(t, write...)
				want := heard(t, direct, write)
				if got := heard(t, through, write); got != want {
					t.Errorf("%s, write %d, after %q: %q through weir, %q directly", name, i, before, got, want)
				}
			}
		}
	}
	g.balanced(t)
}

// heard is the transcript of what a write is answered, up to its last ReadyForQuery, or
// as many words as messages in front of a Flush.
func heard(t testing.TB, r *raw, write []pgproto3.FrontendMessage) string {
	t.Helper()
	groups := 0
	for i, m := range write {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			groups++
		case *pgproto3.FunctionCall:
			if i == len(write)-1 { // else it is skipped
				groups++
			}
		case *pgproto3.Flush:
			return r.transcriptOf(t, i)
		}
	}
	return r.transcript(t, groups)
}

// TestAGroupBehindAnotherGoesOn has a client send ahead: in its second group, behind a
// Flush, it binds a statement of which weir asks first whether it is current. Whether the
// answers to both come in one piece is up to PostgreSQL.
func TestAGroupBehindAnotherGoesOn(t *testing.T) {
	t.Parallel()
	upstream := database(t)
	testpg.Exec(t, upstream, "create table rows (id serial, n int); create table three as values (1), (2), (3)")
	g := open(t, upstream, poolOf(1))
	other, r := g.raw(t), g.raw(t)
	const insert = "insert into rows (n) values (1)"
	portal := &pgproto3.Execute{Portal: "p", MaxRows: 1}
	ahead := slices.Concat(simple("select 1"),
		[]pgproto3.FrontendMessage{&pgproto3.Parse{Query: "table three"}, &pgproto3.Bind{DestinationPortal: "p"}, portal, &pgproto3.Flush{}},
		[]pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: "s0"}, &pgproto3.Execute{}, portal, &pgproto3.Sync{}})
	for range 8 {
		other.send(t, slices.Concat(groupNamed("w", insert), simple("deallocate w"))...)
		other.transcript(t, 2)
		r.send(t, prepareNamed("s0", insert)...)
		r.transcript(t, 1)
		r.send(t, ahead...)
		if got, want := r.transcript(t, 2), "T D C Z(I) 1 2 D 2 C D Z(I)"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		r.send(t, slices.Concat(simple("discard all"), simple("select 1"))...)
		r.transcript(t, 2)
	}
	g.balanced(t)
}
