// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// A client that was told which columns a prepared statement returns reads its rows by
// that. In one session of PostgreSQL they stay the same: after a change of the schema
// the statement is refused (0A000, RevalidateCachedQuery in plancache.c). On an
// upstream that lacks the statement it is prepared anew, and returns what there is by
// then. So there PostgreSQL is asked first, in the client's own group.

// asKnown reports whether the client may run st on the upstream, as far as its columns
// go. Where not, done says whether the message is settled, or comes again.
func (x *exchange) asKnown(st *statement, p *prepared, name []byte, size int) (ok, done bool) {
	if asked := x.checks.columns; asked != nil {
		if !x.due.empty() {
			x.barrier = true
			return false, false
		}
		x.checks.columns = nil
		switch {
		case asked != st || x.found.columns == x.told(st, p):
		case x.describesNext(size):
			p.untold()
		default:
			x.refuseColumns(st, p, size)
			return false, true
		}
		return true, false
	}
	switch told := x.told(st, p); {
	case told == 0 || told == noRows || x.status == wire.Failed || x.hasHere(st, p):
		return true, false
	case x.due.groups() > 0:
		x.fence = true
		return false, false
	}
	x.send()
	x.found.complaint, x.found.columns = nil, 0
	x.prepare(st, name)
	x.checks.columns, x.barrier = st, true
	x.due.push(answer{kind: 'D', fate: swallowed, st: st})
	x.toUp.insert(func(out []byte) []byte {
		out = wire.AppendTarget(out, wire.Describe, wire.Statement, upstreamName(name, st))
		return wire.AppendEmpty(out, wire.Flush)
	})
	return false, false
}

// told is what the client was told of the columns of st, 0 for nothing that may have
// changed. The unnamed statement is run right after it is described: for it only a
// change counts that weir has seen.
func (x *exchange) told(st *statement, p *prepared) uint64 {
	switch {
	case st == nil || fixed&(1<<st.kind) == 0:
		return 0
	case p != nil:
		return p.rows
	case x.s.described.name == st.Name && st.schema != x.s.env.dictionary.schema.Load():
		return x.s.described.rows
	}
	return 0
}

// untold notes that the client is about to be told the columns anew. p may be nil.
func (p *prepared) untold() {
	if p != nil {
		p.rows = 0
	}
}

// describesNext reports whether the Bind at hand is followed by a Describe, with which
// the client asks for the columns.
func (x *exchange) describesNext(size int) bool {
	p := &x.toUp
	if !p.whole(size) {
		return false
	}
	for typ := range messages(p.buf[p.seen+size : p.fill]) {
		return typ == wire.Describe
	}
	return false
}

// fixed are the kinds of statements whose columns stay. Others that return rows (SHOW,
// EXECUTE, FETCH) return what there is each time: PostgreSQL does not analyse them again
// (StmtPlanRequiresRevalidation in plancache.c).
const fixed = 1<<sqltext.Select | 1<<sqltext.With | 1<<sqltext.Insert | 1<<sqltext.Update | 1<<sqltext.Delete | 1<<sqltext.Merge | 1<<sqltext.Call | 1<<sqltext.Unknown

// hasHere reports whether the upstream has st, as the unnamed statement for a nil p.
func (x *exchange) hasHere(st *statement, p *prepared) bool {
	if p == nil {
		return x.up.Prepared.Unnamed == &st.Statement
	}
	has, _ := x.up.Prepared.Has(&st.Statement)
	return has
}

// refuseColumns answers as PostgreSQL does where the client has st. What was prepared
// for it goes: another client's Bind must not find it.
func (x *exchange) refuseColumns(st *statement, p *prepared, size int) {
	x.send()
	to := ""
	if p == nil {
		x.up.Prepared.Unnamed = nil
	} else {
		x.up.Prepared.Remove(&st.Statement)
		to = st.Name
	}
	x.due.push(answer{kind: 'C', fate: swallowed, unnamed: p == nil})
	x.toUp.insert(func(out []byte) []byte { return wire.AppendTarget(out, wire.Close, wire.Statement, to) })
	x.s.env.dictionary.retire(st)
	x.provoke(size, &sqlstate.Error{Code: cachedPlanChanged, Message: "cached plan must not change result type", Routine: cachedPlanRoutine})
}

// columnsIn is a hash of what PostgreSQL compares of the columns in a RowDescription:
// not of which tables they are (equalRowTypes in tupdesc.c). It is 0 for one that is
// not there as a whole.
func (x *exchange) columnsIn(body []byte) uint64 {
	const count, table, rest, format = 2, 6, 10, 2
	var h maphash.Hash
	h.SetSeed(x.s.env.dictionary.seed)
	if len(body) < count {
		return 0
	}
	fields := binary.BigEndian.Uint16(body)
	for body = body[count:]; fields > 0; fields-- {
		name, after, ok := wire.CString(body)
		if !ok || len(after) < table+rest+format {
			return 0
		}
		_, _ = h.Write(name)
		_ = h.WriteByte(0)
		_, _ = h.Write(after[table : table+rest])
		body = after[table+rest+format:]
	}
	return h.Sum64() | 2 // neither nothing nor noRows
}
