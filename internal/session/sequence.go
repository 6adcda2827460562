// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// currval and lastval answer what nextval gave in the same session of PostgreSQL.
// nextval itself pins nobody: every insert into a table with a serial key calls
// it, unseen. So what an upstream remembers is of many clients. A client that asks
// gets its own value or PostgreSQL's error that there is none (55000), never
// another's, and keeps its upstream from then on, where all later values are its
// own.
//
// Where others have used the upstream, its memory is cleared in front of the first
// question. In the middle of a block that clears what the client itself did in
// the block, too. So once anybody in the pool has asked, it is cleared in front of
// every BEGIN instead.

// visit notes who gets the upstream: whose values it may remember.
func (u *Upstream) visit(s *Session) {
	if u.visitor != s.key.pid {
		u.mixed = u.visitor != 0
		u.visitor = s.key.pid
	}
}

// ownSequences sees to it that the statement about to be sent, a question or the
// beginning of a block, finds no other client's values. Where it returns false that is not possible now, and done says
// whether the statement's message is settled, or comes again.
func (x *exchange) ownSequences(e *effect, size int) (ok, done bool) {
	asks := e.pins&sequences != 0
	if asks {
		x.pool().sequences.Store(true)
	}
	switch {
	case !x.up.mixed || x.status == wire.Failed:
		return true, false
	case !x.due.between():
		if asks {
			x.provokeStatement(size, errSequences)
		}
		return !asks, asks
	case !x.due.empty():
		x.fence = true
		return false, false
	}
	return x.aside("DISCARD SEQUENCES")
}

// begins reports whether a block begins with the statement about to be sent.
func (x *exchange) begins(e *effect) bool {
	return e.kinds.Has(sqltext.Begin) || x.synced && len(x.s.opening) > 0
}

// provokeStatement is provoke for a Bind or a Query, of which the second ends its
// group.
func (x *exchange) provokeStatement(size int, err *sqlstate.Error) {
	typ, _, _, _ := x.toUp.next() // it was framed once
	x.send()
	x.provoke(size, err)
	if typ == wire.Query {
		x.pushSync(answer{kind: 'S'})
		x.toUp.insert(func(out []byte) []byte { return wire.AppendEmpty(out, wire.Sync) })
	}
}

// aside runs a command of weir's own in front of the client's next message. If
// the upstream was lost over it, it returns false, and whether the message was
// handled without it.
func (x *exchange) aside(sql string) (ok, done bool) {
	inBlock, held := x.status != wire.Idle, x.s.pinned()|x.remains.left
	err := x.command(sql)
	switch {
	case x.up != nil:
		return true, false
	case held != 0:
		x.bereave(err)
		return false, true
	}
	x.s.lost = inBlock
	return false, x.again()
}

// errSequences refuses a question for currval that comes too late in its group for
// anything to be sent in front of it.
var errSequences = &sqlstate.Error{
	Code:    sqlstate.NotInPrerequisiteState,
	Message: "what currval and lastval would return here is not known to be this client's",
	Detail:  "Other clients of weir have used the connection to PostgreSQL.",
	Hint:    "Call nextval and currval in one transaction that begins with BEGIN, or use RETURNING.",
}
