// SPDX-License-Identifier: Apache-2.0

package session

import "github.com/weir-pg/weir/internal/wire"

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
	case a.unnamed:
		d.release(a.before)
	case a.kind == 'P' && a.st != nil:
		if a.name != "" {
			x.marks.parsed = append(x.marks.parsed, a.name)
		}
		x.up.Prepared.Confirm(&a.st.Statement)
		a.st.proven.Store(true)
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
	list, synced := x.due.untilSync()
	for i := len(list) - 1; i >= 0; i-- {
		x.undo(&list[i], &list[i] == a)
	}
	for range list {
		x.due.pop()
	}
	x.s.skipping = !synced
}

// undo takes back what was brought forward when the message was sent. failed
// says that it failed itself; otherwise it was skipped.
func (x *exchange) undo(a *answer, failed bool) {
	switch {
	case a.kind == 'P' && a.unnamed:
		x.undoUnnamed(a, failed)
	case a.kind == 'P':
		x.undoParse(a)
	case a.kind == 'C' && a.unnamed:
		x.undoUnnamed(a, false)
	case a.kind == 'C' && a.prev != nil:
		x.undoClose(a)
	case a.portal != nil:
		if x.portals[a.portal.name] == a.portal.made {
			x.setPortal(a.portal.name, a.portal.was)
		}
	case a.kind == 'Q':
		x.up.Prepared.Unnamed = &someStatement
	}
}

// undoUnnamed takes back a Parse or Close of the unnamed statement. A Parse that
// fails leaves none (PostgreSQL: exec_parse_message drops it first).
func (x *exchange) undoUnnamed(a *answer, failed bool) {
	x.up.Prepared.Unnamed = &someStatement
	if failed {
		x.up.Prepared.Unnamed = nil
	}
	if a.fate != forwarded {
		return // weir's own: the client's statement is as it was
	}
	d := x.s.env.dictionary
	d.release(x.s.unnamed)
	x.s.unnamed = a.before
	if failed {
		d.release(a.before)
		x.s.unnamed = nil
	}
}

// undoClose takes back a Close of a named statement. If a later group has used
// the name again, that stays.
func (x *exchange) undoClose(a *answer) {
	if x.s.named[a.name] != nil {
		x.s.env.dictionary.release(a.prev.statement)
		return
	}
	x.s.setNamed(a.name, a.prev)
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
