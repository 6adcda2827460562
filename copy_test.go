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

// TestACopyOfABodyIsAnsweredAsDirectly copies in where no kind of statement shows that it
// begins, in one write and with a wait for each CopyInResponse.
func TestACopyOfABodyIsAnsweredAsDirectly(t *testing.T) {
	t.Parallel()
	type messages = []pgproto3.FrontendMessage
	upstream := database(t)
	testpg.Exec(t, upstream, "create table rows (n int); create function copies() returns void language plpgsql as $$begin execute 'execute s0'; end$$")
	g := open(t, upstream, poolOf(1))
	const once, twice = "do $$begin execute 'execute s0'; end$$", "do $$begin execute 'execute s0'; execute 'execute s0'; end$$"
	row, done, sync := messages{&pgproto3.CopyData{Data: []byte("1\n")}}, messages{&pgproto3.CopyDone{}}, messages{&pgproto3.Sync{}}
	fails := messages{&pgproto3.CopyFail{Message: "no"}}
	all := func(list ...messages) messages { return slices.Concat(list...) }
	for name, writes := range map[string][]messages{
		"one write":                 {all(extended(once), row, done, sync)},
		"one write, with Flush":     {all(extended(once), messages{&pgproto3.Flush{}}, row, done, sync)},
		"one write, two Syncs":      {all(group(once), row, done, sync)},
		"one write, a block":        {simple("begin"), all(group(once), row, done, sync), simple("commit")},
		"one write, no data":        {all(extended("select copies()"), done, sync)},
		"one write, failing":        {all(extended(once), row, fails, sync)},
		"one write, simple":         {all(simple(once), row, done)},
		"one write, a function":     {all(simple("select copies()"), row, done)},
		"twice, one write":          {all(extended(twice), row, done, row, done, sync)},
		"twice, simple":             {all(simple(twice), row, done, row, done)},
		"twice, waiting":            {all(extended(twice), messages{&pgproto3.Flush{}}), all(row, done), all(row, done, sync)},
		"twice, waiting, two Syncs": {group(twice), all(row, done), all(row, done, sync)},
		"twice, simple, waiting":    {simple(twice), all(row, done), all(row, done)},
		"twice, waiting, failing":   {simple(twice), all(row, done), all(row, fails)},
		"stray data":                {all(extended("select 1"), row, done, sync)},
		"stray data, a group":       {all(group("select 1"), row, group("select 2"))},
	} {
		direct, through := rawDirect(t, upstream), g.raw(t)
		for _, c := range []*raw{direct, through} {
			c.send(t, &pgproto3.Parse{Name: "s0", Query: "copy rows from stdin"}, &pgproto3.Sync{})
			c.transcript(t, 1)
		}
		told := map[*raw]string{}
		for i, write := range append(writes, simple("select count(*) from rows")) {
			for _, c := range []*raw{direct, through} {
				c.send(t, write...)
				if i < len(writes)-1 && strings.Contains(name, ", waiting") {
					told[c] += c.listen(t, func(m pgproto3.BackendMessage) bool { _, ok := m.(*pgproto3.CopyInResponse); return ok }) + ","
				}
			}
		}
		for _, c := range []*raw{direct, through} {
			told[c] += c.listen(t, func(m pgproto3.BackendMessage) bool { _, ok := m.(*pgproto3.DataRow); return ok })
		}
		if told[through] != told[direct] {
			t.Errorf("%s: told %q, directly %q", name, told[through], told[direct])
		}
		testpg.Exec(t, upstream, "truncate rows")
		_, _ = direct.Close(), through.Close()
		g.balanced(t)
	}
}

// TestACopyWithoutItsLastSyncEnds has clients go away behind the end of their data.
func TestACopyWithoutItsLastSyncEnds(t *testing.T) {
	t.Parallel()
	type messages = []pgproto3.FrontendMessage
	g := table(t)
	row, done := messages{&pgproto3.CopyData{Data: []byte("1\n")}}, messages{&pgproto3.CopyDone{}}
	begins := group("copy rows from stdin")
	for name, writes := range map[string][]messages{
		"a write each": {begins, slices.Concat(row, done)},
		"no data":      {begins, done},
		"one write":    {slices.Concat(begins, row, done)},
		"a block":      {simple("begin"), begins, slices.Concat(row, done)},
		"by DO":        {{&pgproto3.Parse{Name: "s0", Query: "copy rows from stdin"}, &pgproto3.Sync{}}, group("do $$begin execute 'execute s0'; end$$"), slices.Concat(row, done)},
	} {
		for _, terminates := range []bool{false, true} {
			r := g.raw(t)
			for _, write := range writes {
				r.send(t, write...)
			}
			if terminates {
				r.send(t, &pgproto3.Terminate{})
			}
			_ = r.Close()
			if n := rows(t, g); n != "0" {
				t.Errorf("%s: %s rows are there, want none", name, n)
			}
		}
	}
}

// TestALostCopyIsNoSuccess ends the backend behind the answer to a COPY whose Sync PostgreSQL
// has ignored, so that nothing is committed, and behind a message that is no data whose error
// a body catches.
func TestALostCopyIsNoSuccess(t *testing.T) {
	t.Parallel()
	type messages = []pgproto3.FrontendMessage
	const catches = "do $$begin insert into rows values (1); begin execute 'execute s0'; exception when others then null; end; end$$"
	g := table(t)
	for name, next := range map[string]messages{
		"a Sync":   {&pgproto3.Sync{}},
		"a group":  group("insert into rows values (2)"),
		"a query":  simple("insert into rows values (2)"),
		"a COMMIT": group("commit"),
	} {
		for begins, first := range map[string]messages{
			"copy": group("copy rows from stdin"),
			"DO":   group("do $$begin execute 'execute s0'; end$$"),
		} {
			r := g.raw(t)
			r.send(t, &pgproto3.Parse{Name: "s0", Query: "copy rows from stdin"}, &pgproto3.Sync{})
			r.transcript(t, 1)
			r.send(t, first...)
			r.transcriptOf(t, 3)
			r.send(t, &pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyDone{}, &pgproto3.Flush{})
			if got := r.transcriptOf(t, 1); got != "C" {
				t.Errorf("%s, %s: the copy is answered %s", begins, name, got)
			}
			testpg.Exec(t, g.upstream, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
			r.send(t, next...)
			t.Logf("%s, %s", begins, name) // shown where it fails
			// A query without a Sync is skipped if the loss is noticed in front of it.
			if got := r.transcriptOf(t, 1); !strings.HasPrefix(got, "E(") {
				t.Errorf("told %q", got)
			}
			_ = r.Close()
			if n := rows(t, g); n != "0" {
				t.Errorf("%s, %s: %s rows are there", begins, name, n)
			}
		}
	}
	for name, next := range map[string]messages{"a group": group("select 1"), "a query": simple("select 1"), "a Close": {&pgproto3.Close{ObjectType: 'S', Name: "a"}, &pgproto3.Sync{}}} {
		r := g.raw(t)
		r.send(t, &pgproto3.Parse{Name: "s0", Query: "copy rows from stdin"}, &pgproto3.Sync{})
		r.transcript(t, 1)
		r.send(t, slices.Concat(group(catches), next)...)
		if got := r.transcript(t, 2); got != "1 2 G C E(08P01) EOF" {
			t.Errorf("an error that is caught, %s: told %q", name, got)
		}
		_ = r.Close()
		if n := rows(t, g); n != "0" {
			t.Errorf("an error that is caught, %s: %s rows are there", name, n)
		}
	}
}
