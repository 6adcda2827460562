// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/upstream"
	"github.com/weir-pg/weir/internal/wire"
)

// currval and lastval answer what nextval gave in the same session of PostgreSQL.
// nextval itself pins nobody: every insert into a table with a serial key calls
// it, unseen. So an upstream remembers whose values it may have, and a client that
// asks gets its own or PostgreSQL's error that there are none (55000), never
// another's. From then on it keeps its upstream, where all later values are its own.
//
// What others have left there is discarded in front of a statement that may read
// it: one that asks by name, or that does what its text does not show. Then a
// client's own would be gone too, if it has any. So it is also done in front of the
// first statement of a client that may use a sequence, as long as somebody in the
// pool may ask, and a client whose values an upstream has goes back to it while it
// is idle.

// frame are the kinds that neither use a sequence nor read what is remembered.
const frame = 1<<sqltext.Begin | 1<<sqltext.Commit | 1<<sqltext.Rollback | 1<<sqltext.Savepoint | 1<<sqltext.Release |
	1<<sqltext.RollbackTo | 1<<sqltext.SetTransaction | 1<<sqltext.SetLocal | 1<<sqltext.Set | 1<<sqltext.Reset |
	1<<sqltext.ResetAll | 1<<sqltext.Show | 1<<sqltext.Empty | 1<<sqltext.DiscardAll | 1<<sqltext.Deallocate | 1<<sqltext.DeallocateAll |
	beforeSnapshot

// beforeSnapshot are kinds that take no snapshot (PostgreSQL: PlannedStmtRequiresSnapshot
// in pquery.c), as DISCARD SEQUENCES in front of them would.
const beforeSnapshot = 1<<sqltext.Lock | 1<<sqltext.Notify | 1<<sqltext.Listen | 1<<sqltext.Unlisten | 1<<sqltext.UnlistenAll

// usesSequences reports whether a statement may call nextval: anything may but the
// frame of a transaction, and a SELECT that calls nothing. The views of such a
// SELECT are looked at as long as somebody may ask, see clears.
func usesSequences(kinds sqltext.Kinds, calls bool) bool {
	return kinds&^(frame|1<<sqltext.Select) != 0 || calls
}

// readsSequences reports whether a text may read what an upstream remembers of
// sequences without naming currval or lastval, as far as the text shows. It is the
// one place that says so. What functions and views of the database's own do is for
// its catalog to tell, see sequencesQuery.
func readsSequences(sum sqltext.Summary, text []byte) bool {
	return sum.Kinds&(1<<sqltext.Do|1<<sqltext.Unknown) != 0 || sum.Flags&sqltext.Escaped != 0 ||
		contains(text, "_to_xml") || contains(text, "ts_stat") || contains(text, "ts_rewrite")
}

// namesSequences reports whether the body of a routine or a DO names them, which no
// other look at the text finds.
func namesSequences(sum sqltext.Summary, text []byte) bool {
	return sum.Kinds&(1<<sqltext.Do|1<<sqltext.CreateRoutine) != 0 && (contains(text, "currval") || contains(text, "lastval"))
}

// sequencesQuery asks whether anything in the database may read or move a sequence
// that no text shows: a routine that names currval or lastval, a view, a default or a
// policy that calls such a function or one of the database's own. Trees name
// functions by their oids, which do not change (PostgreSQL: pg_proc.dat).
const sequencesQuery = `SELECT 'sequences', '' WHERE EXISTS (SELECT FROM pg_catalog.pg_proc p` +
	` WHERE p.oid OPERATOR(pg_catalog.>=) 16384 AND p.prosrc OPERATOR(pg_catalog.~*) 'currval|lastval')` +
	` OR EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.oid OPERATOR(pg_catalog.>=) 16384 AND` +
	` (r.ev_action::pg_catalog.text OPERATOR(pg_catalog.~) ':funcid (1574|1575|2559) '` +
	` OR EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass` +
	` AND d.objid OPERATOR(pg_catalog.=) r.oid AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass)))` +
	` OR EXISTS (SELECT FROM pg_catalog.pg_attrdef a WHERE a.adbin::pg_catalog.text OPERATOR(pg_catalog.~) ':funcid (1575|2559) ')` +
	` OR EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE pg_catalog.concat(p.polqual, p.polwithcheck) OPERATOR(pg_catalog.~) ':funcid (1575|2559) ')`

// mostUnasked is how often a pool discards what others left in front of a statement
// that only uses sequences, where nobody asks.
const mostUnasked = 10_000

// left reports whether the upstream remembers what others than the client left.
func (x *exchange) left() bool {
	return x.up.mover != 0 && (x.up.mover != x.s.key.pid || x.up.mixed)
}

// uses notes that a statement is sent which may use a sequence.
func (x *exchange) uses() {
	x.up.mixed = x.left()
	x.up.mover = x.s.key.pid
}

// clears reports whether what others left has to go in front of a statement.
func (x *exchange) clears(e *effect) bool {
	p := x.pool()
	if e.names {
		p.sequences.Store(true)
	}
	asked := p.sequences.Load()
	switch {
	case !x.left() || x.status == wire.Failed:
		return false
	case e.pins&sequences != 0 || e.reads:
		return true
	case asked && x.begins(e):
		return true // what follows in the block may ask
	case asked:
		return e.kinds&^frame != 0 || e.uses
	}
	return e.uses && p.unasked.Add(1) <= mostUnasked
}

// begins reports whether a block begins with the statement about to be sent.
func (x *exchange) begins(e *effect) bool {
	return e.kinds.Has(sqltext.Begin) || x.synced && len(x.s.opening) > 0
}

// ownSequences sees to it that the statement about to be sent finds no other
// client's values. Where it returns false that is not possible now, and done says
// whether the statement's message is settled, or comes again. Where the client has
// begun something, no query of weir's own may come in between: it would end the
// client's group, and its unnamed portal (PostgreSQL: exec_simple_query).
func (x *exchange) ownSequences() (ok, done bool) {
	switch {
	case x.due.empty() && x.synced && x.status == wire.Idle:
		return x.aside(x.unhindered(discardSequences))
	case !x.due.empty() && x.due.between():
		x.fence = true
		return false, false
	}
	typ, _, _, _ := x.toUp.next() // it was framed once
	x.discardInside(typ == wire.Query || typ == wire.FunctionCall)
	return true, false
}

const discardSequences = "DISCARD SEQUENCES"

// discarding is discardSequences prepared.
var discarding = &statement{Statement: upstream.Statement{Name: namePrefix + "-", Text: discardSequences, OIDs: "\x00\x00"}}

// discardInside discards in the client's own group. The next message may be a Query or
// a FunctionCall, which is skipped if this fails.
func (x *exchange) discardInside(query bool) {
	x.send()
	x.s.snapshot.group |= ran
	x.ensure(discarding)
	x.due.push(answer{kind: 'B', fate: swallowed})
	x.due.push(answer{kind: 'E', fate: swallowed, st: discarding})
	x.due.push(answer{kind: 'C', fate: swallowed})
	if query {
		x.due.lead()
		x.barrier = true
	}
	x.toUp.insert(func(out []byte) []byte {
		out = wire.AppendBind(out, restored, discarding.Name)
		out = wire.AppendExecute(out, restored)
		return wire.AppendTarget(out, wire.Close, wire.Portal, restored)
	})
	x.up.mixed, x.up.mover = false, x.s.key.pid
}

// provokeStatement is provoke for a Bind, or for a Query, which ends its group.
func (x *exchange) provokeStatement(size int, err *sqlstate.Error) {
	typ, _, _, _ := x.toUp.next() // it was framed once
	x.send()
	x.provoke(size, err)
	if typ == wire.Query {
		x.pushSync(answer{kind: 'S'})
		x.toUp.insert(func(out []byte) []byte { return wire.AppendEmpty(out, wire.Sync) })
	}
}

// aside runs DISCARD SEQUENCES between two transactions. If it was not carried out, it
// returns false, and whether the client's next message was handled without it.
func (x *exchange) aside(sql string) (ok, done bool) {
	held := x.s.pinned() | x.remains.left
	err := x.command(sql)
	switch {
	case x.up != nil && err == nil:
		x.up.mover, x.up.mixed = 0, false
		return true, false
	case held != 0:
		x.bereave(err)
		return false, true
	}
	x.discardUpstream("it did not discard what others left of sequences: " + err.Error())
	return false, x.again()
}

// remember notes, when the upstream is let go of, whose values it has: that client
// finds its way back to it.
func (s *Session) remember(up *Upstream) {
	owner := up.mover
	if up.mixed {
		owner = 0
	}
	up.node.For.Store(owner)
	switch {
	case owner != 0 && owner == s.key.pid && s.last != up:
		s.forgetLast()
		s.last = up
	case owner != s.key.pid && s.last == up:
		s.last = nil
	}
}

// goesBack takes the upstream that has the client's values, if it still has them and
// is idle.
func (s *Session) goesBack() (*Upstream, bool) {
	if s.last == nil {
		return nil, false
	}
	if s.last.node.For.Load() != s.key.pid {
		s.last = nil
		return nil, false
	}
	return s.last, s.pool.conns.Reacquire(s.last)
}

// forgetLast leaves to others the upstream that has the client's values.
func (s *Session) forgetLast() {
	if s.last != nil {
		s.last.node.For.CompareAndSwap(s.key.pid, 0)
		s.last = nil
	}
}
