// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// write is what a client sends before it reads again: any number of groups.
type write struct {
	messages []pgproto3.FrontendMessage
	pieces   []int // where the write is cut, as offsets
	hold     bool  // before it, the client's upstream is given to others
}

// script is what one client does.
type script struct {
	writes []write
}

// maker makes messages up.
type maker struct {
	*rand.Rand
}

// invent makes a script up.
func invent(seed uint64) (s script) {
	m := maker{rand.New(rand.NewPCG(seed, 7))}
	for range 3 + m.IntN(6) {
		w := write{hold: m.IntN(2) == 0}
		for range 1 + m.IntN(8) {
			w.messages = append(w.messages, m.group()...)
		}
		if m.IntN(3) == 0 {
			at := 0
			for range 1 + m.IntN(6) {
				at += 1 + m.IntN(40<<m.IntN(10))
				w.pieces = append(w.pieces, at)
			}
		}
		s.writes = append(s.writes, w)
	}
	return s
}

func (m maker) of(list ...string) string { return list[m.IntN(len(list))] }

func (m maker) name() string   { return m.of("", "", "s0", "s1", "s2") }
func (m maker) portal() string { return m.of("", "", "", "p", "q") }

// group is a simple query, or messages up to a Sync.
func (m maker) group() (list []pgproto3.FrontendMessage) {
	switch m.IntN(12) {
	case 0, 1:
		return append(list, &pgproto3.Query{String: m.text()})
	case 2:
		return m.copyIn()
	}
	for range m.IntN(9) {
		list = append(list, m.several()...)
	}
	return append(list, &pgproto3.Sync{})
}

// several is one message, or some that belong together.
func (m maker) several() (list []pgproto3.FrontendMessage) {
	name, portal := m.name(), m.portal()
	switch n := m.IntN(40); {
	case n < 8:
		return append(list, &pgproto3.Parse{Name: name, Query: m.textFor(name)})
	case n < 16:
		return append(list, &pgproto3.Parse{Name: name, Query: m.textFor(name)}, m.bind(portal, name), &pgproto3.Execute{Portal: portal, MaxRows: m.limit()})
	case n < 20:
		return append(list, m.bind(portal, name), &pgproto3.Execute{Portal: portal, MaxRows: m.limit()})
	case n < 22:
		return append(list, m.bind(portal, name))
	case n < 24:
		return append(list, &pgproto3.Execute{Portal: portal, MaxRows: m.limit()})
	case n < 26:
		return append(list, &pgproto3.Describe{ObjectType: 'S', Name: name})
	case n < 28:
		return append(list, &pgproto3.Describe{ObjectType: 'P', Name: portal})
	case n < 32:
		return append(list, &pgproto3.Close{ObjectType: 'S', Name: name})
	case n < 33:
		return append(list, &pgproto3.Close{ObjectType: 'P', Name: portal})
	case n < 35:
		return append(list, &pgproto3.Flush{})
	case n < 37:
		return append(list, m.bind("", "nosuch"))
	case n < 38:
		return append(list, &pgproto3.Query{String: m.text()})
	case n < 39:
		return append(list, &pgproto3.Close{ObjectType: 'S', Name: name}, &pgproto3.Parse{Name: name, Query: m.textFor(name)})
	default:
		return append(list, m.stray())
	}
}

// stray is a message that means something elsewhere.
func (m maker) stray() pgproto3.FrontendMessage {
	switch m.IntN(4) {
	case 0:
		return &pgproto3.CopyData{Data: []byte("1\tstray\n")}
	case 1:
		return &pgproto3.CopyDone{}
	case 2:
		return &pgproto3.CopyFail{Message: "stray"}
	default:
		return &pgproto3.FunctionCall{Function: 177, Arguments: [][]byte{[]byte("40"), []byte(m.of("2", "x"))}}
	}
}

// copyIn is a COPY FROM STDIN in either protocol with its data, and Syncs where
// drivers send them and where they do not.
func (m maker) copyIn() (list []pgproto3.FrontendMessage) {
	text := m.of("copy t from stdin", "copy t from stdin", "copy v from stdin", "copy t from stdin (freeze)", "copy nowhere from stdin",
		"copy t (id) from stdin", "copy t from stdin; select 1")
	simple := m.IntN(2) == 0
	if simple {
		list = append(list, &pgproto3.Query{String: text})
	} else {
		name := m.name()
		list = append(list, &pgproto3.Close{ObjectType: 'S', Name: name}, &pgproto3.Parse{Name: name, Query: text}, m.bind("", name), &pgproto3.Execute{})
	}
	maybeSync := func() {
		if m.IntN(3) == 0 {
			list = append(list, &pgproto3.Sync{})
		}
	}
	{
		maybeSync()
		for range m.IntN(4) {
			list = append(list, &pgproto3.CopyData{Data: []byte(m.of("1\tone\n", "2\ttwo\n", "3\tthree\n", "x\tno number\n", "4\t"+m.long()+"\n"))})
			if m.IntN(8) == 0 {
				maybeSync()
			}
		}
		if m.IntN(4) == 0 {
			list = append(list, &pgproto3.CopyFail{Message: "changed my mind"})
		} else {
			list = append(list, &pgproto3.CopyDone{})
		}
	}
	return append(list, &pgproto3.Sync{})
}

func (m maker) limit() uint32 {
	if m.IntN(3) == 0 {
		return uint32(1 + m.IntN(3))
	}
	return 0
}

// bind gives a value or none, some of them long.
func (m maker) bind(portal, name string) *pgproto3.Bind {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: name}
	switch m.IntN(12) {
	case 0, 1, 2:
		b.Parameters = [][]byte{[]byte(m.of("1", "2", "x"))}
	case 3:
		b.Parameters = [][]byte{[]byte(m.long())}
	case 4:
		if m.IntN(8) == 0 {
			b.DestinationPortal = "p" + m.long()
		}
	}
	return b
}

// long is a text with which a message ends about where a buffer does.
func (m maker) long() string {
	size := []int{100, 4 << 10, 8 << 10, 16 << 10, 16 << 10, 32 << 10, 64 << 10}[m.IntN(7)]
	return strings.Repeat("z", max(1, size-60+m.IntN(80)))
}

// textFor makes a statement up that is prepared under a name. One that executes
// others is prepared without: two that execute each other, or one itself, recurse
// until a backend of PostgreSQL's crashes, which ends everybody's session.
func (m maker) textFor(name string) string {
	for {
		if text := m.text(); name == "" || !strings.Contains(text, "execute s") {
			return text
		}
	}
}

// text makes a statement up.
func (m maker) text() string {
	switch n := m.IntN(60); {
	case n < 14:
		return "select " + strconv.Itoa(m.IntN(5))
	case n < 20:
		return m.of("select $1::int", "select $1::text", "select 10 / $1::int", "insert into t values ($1::int, 'x')")
	case n < 24:
		return "select generate_series(1, " + strconv.Itoa(1+m.IntN(5)) + ")"
	case n < 30:
		return m.of("select 1/0", "selekt", "select nowhere", "select 1/0 from t", "select * from missing")
	case n < 33:
		return m.of("insert into t values (1, 'x') on conflict do nothing", "select * from t order by id", "update t set name = 'y' where id = 1", "delete from t")
	case n < 40:
		return m.of("begin", "begin", "commit", "commit", "rollback", "rollback", "start transaction isolation level repeatable read", "commit and chain", "rollback and chain")
	case n < 43:
		return m.of("savepoint a", "rollback to a", "release a")
	case n < 45:
		return m.of("", ";", "/* nothing */")
	case n < 47:
		return m.of("select '"+m.long()+"'", "select repeat('x', 20000)", "select length('"+m.long()+"')")
	case n < 50:
		return m.of("deallocate s0", "deallocate s1", "deallocate s0; select 5", "select 4; deallocate s1; select 1/0", "deallocate all", "discard all", "deallocate nobody")
	case n < 53:
		return m.of("execute s0", "execute s1", "execute s2 (1)", "explain (costs off) execute s0", "create table if not exists made as execute s0", "execute s0; execute s1", "select 3; execute s0",
			"rollback; execute s0", "rollback to a; execute s1", "commit; execute s0; select 9", "rollback; deallocate s0; execute s0", "do $$ begin execute 'execute s0'; end $$")
	case n < 55:
		return m.of("prepare s0 as select 'sql'", "prepare s1 as select 'sql 1'", "prepare s2 (int) as select $1", "prepare s0 as select 'sql'; execute s0", "prepare weir_1 as select 'sql'", "execute weir_1")
	case n < 57:
		return m.of("select 1; select 2", "select 1; select 1/0; select 2", "begin; select 1; commit", "begin; select 1/0", "rollback; select 8")
	case n < 58:
		return m.of("copy (select generate_series(1, 3)) to stdout", "copy (select 1/0) to stdout", "copy t to stdout")
	case n < 59:
		return m.of("declare c cursor for select generate_series(1, 5)", "fetch 2 from c", "close c")
	default:
		return m.of("set work_mem = '5MB'", "show work_mem", "reset work_mem", "set local work_mem = '6MB'", "lock table t", "set application_name = 'x'", "do $$ begin raise notice 'hey'; end $$")
	}
}
