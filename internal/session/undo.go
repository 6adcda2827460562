// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// fake gives the client the answers that weir makes whose turn has come. At the
// beginning of a group they wait for PostgreSQL's own, if any is to come: the
// group may yet be asked again, as long as nothing was answered, and one write
// does for both.
func (x *exchange) fake() {
	for x.due.faked() {
		a := x.due.first()
		typ := byte(wire.ParseComplete)
		if a.kind == 'C' {
			typ = wire.CloseComplete
		} else {
			x.s.snapshot.lacks = x.s.snapshot.lacks || a.st.snaps()
		}
		x.toClient.insert(func(out []byte) []byte { return wire.AppendEmpty(out, typ) })
		x.succeeded()
	}
}

// succeeded takes the first answer off: what it asked for was done.
func (x *exchange) succeeded() {
	a := x.due.first()
	x.leftBehind(a.pins)
	d := x.s.env.dictionary
	switch {
	case a.unnamed && a.fate == forwarded:
		x.s.confirmUnnamed(a.st)
	case a.unnamed:
		// The client's is as it was.
	case a.alias != "":
		// That is no other name's business.
	case a.kind == 'P' && a.st != nil:
		if a.name != "" {
			x.marks.parsed = append(x.marks.parsed, a.name)
		}
		x.up.Prepared.Confirm(&a.st.Statement)
		a.st.proven.Store(true)
	case a.stamp != 0:
		x.up.Prepared.Stamp(&a.st.Statement, a.stamp)
	case a.prev != nil:
		d.release(a.prev.statement)
	}
	x.due.pop()
}

// failed takes off the first answer that PostgreSQL owes, which was an error. In
// the extended protocol what was sent after it is skipped up to the next Sync.
func (x *exchange) failed() {
	a := x.due.real()
	if a.ends() {
		return // ReadyForQuery follows
	}
	if a.kind != 'E' {
		a.pins &= provable | opaque // the input of a value may have locked before it failed
	}
	x.leftBehind(a.pins)
	list, synced := x.due.untilSync()
	unnamed, destroyed := false, a.kind == 'P' && a.unnamed && !a.unread
	own, leads := a.fate != forwarded, a.leads
	for i := len(list) - 1; i >= 0; i-- {
		unnamed = unnamed || list[i].unnamed
		x.undo(&list[i])
	}
	for range list {
		x.due.pop()
	}
	if leads || destroyed && !own {
		x.s.confirmUnnamed(nil)
	}
	if unnamed {
		x.undoUnnamed(destroyed)
	}
	if leads {
		// The query that came with it was skipped, and is what the client waits for.
		x.toUp.insert(func(out []byte) []byte { return wire.AppendEmpty(out, wire.Sync) })
		x.pushSync(answer{kind: 'S'})
		x.barrier, synced = true, true
	}
	x.s.skipping, x.checks.columns = !synced, nil
}

// undo takes back what was brought forward when the message was sent. No message
// of a later span has built on it, see unsettled; of the unnamed statement see
// undoUnnamed.
func (x *exchange) undo(a *answer) {
	switch {
	case a.strays:
		x.stray = true
	case a.unnamed && a.fate == forwarded:
		x.s.env.dictionary.release(a.st)
	case a.unnamed:
		// There is nothing that is charged to anybody.
	case a.alias != "":
		x.undoAlias(a)
		if a.name != "" {
			x.s.forgetNamed(a.name)
		}
	case a.kind == 'P':
		x.undoParse(a)
	case a.kind == 'C' && a.prev != nil:
		x.s.setNamed(a.name, a.prev)
	case a.st == discarding:
		x.up.mixed = true
	case a.portal != nil:
		if x.portals[a.portal.name] == a.portal.made {
			x.setPortal(a.portal.name, a.portal.was)
		}
	}
}

// undoUnnamed takes in that messages which change the unnamed statement were
// skipped, or that one of them has failed and destroyed it (PostgreSQL:
// exec_parse_message drops it first). Where one that was sent later changes it
// again, that counts: what it was before that one nobody has asked for, see
// unsettled.
func (x *exchange) undoUnnamed(destroyed bool) {
	if x.due.changesUnnamed() {
		return
	}
	x.s.unnamed = x.s.confirmed
	x.up.Prepared.Unnamed = &someStatement
	if destroyed {
		x.up.Prepared.Unnamed = nil
	}
}

// unreadable reports whether code is that of a text which is no text in the client's
// encoding, or has no place in the server's.
func unreadable(code sqlstate.Code) bool {
	return code == characterNotInRepertoire || code == untranslatableCharacter
}

const (
	characterNotInRepertoire sqlstate.Code = "22021"
	untranslatableCharacter  sqlstate.Code = "22P05"
)

// keepUnnamed takes in that PostgreSQL may have refused to read the Query or Parse
// that a asked for: then nothing of it was done, and the unnamed statement is still
// there (pq_getmsgstring comes before exec_simple_query and exec_parse_message). The
// code may also be that of a statement that was run. Then the client has a statement
// more than without weir, its own.
func (x *exchange) keepUnnamed(a *answer) {
	if a.unread = true; a.kind != 'Q' {
		return // see failed
	}
	a.unnamed = false
	x.undoUnnamed(false)
}

// undoParse takes back a Parse of a named statement.
func (x *exchange) undoParse(a *answer) {
	if a.adds {
		x.up.Prepared.Remove(&a.st.Statement)
	}
	if a.name != "" {
		x.s.forgetNamed(a.name)
	}
}
