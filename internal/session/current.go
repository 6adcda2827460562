// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"

	"github.com/weir-pg/weir/internal/wire"
)

// Others may have prepared a statement on an upstream before somebody changed a
// table of it, and a client has prepared it since: PostgreSQL would never answer
// that client with 0A000. Outside a block the error is healed when it comes, for
// which a pipeline is held up. In a block the error would end the transaction. There
// PostgreSQL is asked first, once on each upstream after the client's Parse, between
// SAVEPOINT and ROLLBACK TO, so that the error ends nothing.

// guard is the savepoint in which PostgreSQL is asked.
var guard = namePrefix + "s"

// checks is what is being asked of a statement before it is used.
type checks struct {
	st      *statement // what was asked about; nil where nothing was
	columns *statement // the one that was prepared anew and whose columns were asked for; see asKnown
	at      uint64     // when, by the dictionary's clock; also where the Bind shows it
	wants   bool       // the answers to the groups in front are awaited
	holds   bool       // the client's next group waits for the answer to this one
}

// current returns the statement to be used for st, for which the client has the name
// p. Where ok is false, done says whether the message is settled, or comes again.
func (x *exchange) current(st *statement, p *prepared, size int) (now *statement, ok, done bool) {
	if x.checks.columns != nil {
		return st, true, false // all this was asked before its columns were
	}
	asked := x.checks.st
	if asked != nil {
		if !x.due.empty() {
			x.barrier = true // which an error has lifted
			return st, false, false
		}
		x.checks.st = nil
	}
	if st == nil || st.alone || p == nil || x.status == wire.Failed || x.listen.undo.open ||
		!x.checks.wants && !x.inBlock() && len(x.s.opening) == 0 && x.due.groups() == 0 {
		return st, true, false
	}
	age, has := x.up.Prepared.Age(&st.Statement)
	switch {
	case !has || age >= p.at:
		x.checks = checks{}
		return st, true, false
	case asked == st:
		return x.checked(st, p, size)
	case !x.calm():
		return st, false, x.again()
	}
	if x.due.real() == nil {
		x.fake()
	}
	switch {
	case x.due.groups() > 0: // there may be a BEGIN among them
		x.fence, x.checks.wants = true, true
		return st, false, false
	case !x.inBlock() && len(x.s.opening) == 0:
		x.checks = checks{at: x.s.env.dictionary.clock.Load(), holds: true}
		x.synced = x.synced || x.due.empty() && !x.answering // only Parses that weir has answered came in between
		return st, true, false
	case x.due.empty():
		x.askAbout(st)
	default:
		x.toUp.flush()
	}
	x.barrier = true
	return st, false, false
}

// askAbout asks for the columns of st.
func (x *exchange) askAbout(st *statement) {
	x.checks = checks{st: st, at: x.s.env.dictionary.clock.Load()}
	x.found.complaint, x.found.changed = nil, false
	x.send()
	x.s.snapshot.group |= byWeir
	x.runOwn("SAVEPOINT " + guard)
	x.due.push(answer{kind: 'D', fate: swallowed, st: st})
	x.toUp.insert(func(out []byte) []byte { return wire.AppendTarget(out, wire.Describe, wire.Statement, st.Name) })
	x.ownSync()
	x.runOwn("ROLLBACK TO SAVEPOINT " + guard)
	x.runOwn("RELEASE SAVEPOINT " + guard)
	x.ownSync()
}

// checked takes in the answer. Where st has changed since it was prepared there, and
// the client cannot know the columns that it had, or has seen the new ones, the
// client gets a new one.
func (x *exchange) checked(st *statement, p *prepared, size int) (now *statement, ok, done bool) {
	at, why := x.checks.at, x.found.complaint
	x.checks = checks{}
	switch {
	case x.found.changed:
		return x.replaceChanged(st, p)
	case why == nil:
		x.up.Prepared.Stamp(&st.Statement, at)
	case !strings.HasPrefix(string(why.Code), "42"):
		// It was cancelled, or waited for a lock for too long. What is wrong with
		// the statement itself, it says again.
		x.send()
		x.provoke(size, why)
		return st, false, true
	}
	return st, true, false
}

// replaceChanged gives the client a new statement in place of one that has changed,
// where it does not expect the old columns.
func (x *exchange) replaceChanged(st *statement, p *prepared) (now *statement, ok, done bool) {
	d := x.s.env.dictionary
	fresh := x.fresh(st)
	same := p.innocent()
	if !same {
		x.checks.st = st
		same = x.sameRows(st, fresh)
		x.checks.st = nil
	}
	switch {
	case x.up == nil:
		d.release(fresh)
		return st, false, true
	case !same:
		d.release(fresh)
		return st, true, false
	}
	p.statement = fresh
	d.release(st)
	return fresh, true, false
}

// ownSync ends a group of weir's own.
func (x *exchange) ownSync() {
	x.pushSync(answer{kind: 'S', fate: swallowed})
	x.toUp.insert(func(out []byte) []byte { return wire.AppendEmpty(out, wire.Sync) })
}

// innocent reports whether the client has neither asked what the statement returns
// nor run it: it cannot expect certain columns.
func (p *prepared) innocent() bool { return p.rows == 0 && !p.used }

// firstUse notes that the client binds p, and reports whether it does so for the
// first time, and knows nothing of its columns. p may be nil.
func (p *prepared) firstUse() bool {
	if p == nil {
		return false
	}
	first := p.innocent()
	p.used = true
	return first
}
