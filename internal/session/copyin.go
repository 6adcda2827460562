// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"fmt"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// While PostgreSQL copies in, it reads the client's messages as data, and ignores
// Sync among them (copyfromparse.c, CopyGetData): drivers send one right behind
// Execute. A copy that fails ends there: what it has not read yet is handled as
// outside a copy, and each Sync of that is answered. How far it had read is not
// said, so weir cannot know which Syncs were ignored, and asks.
//
// A message that is no data has PostgreSQL end the connection, or means what it always
// does where PostgreSQL has refused the copy right after it said that it begins: a view
// cannot be copied into. Such a message is not sent before that is known. It would be
// carried out behind weir's back, by the names that the client gives its statements.
//
// To have that in one place, nothing of the client's goes on behind a statement
// that may copy in before PostgreSQL has begun to copy, or not; no data behind one that
// is not answered, which may copy in although its kind does not show it (DO); and nothing
// but Sync between the end of the data and the end of the copy.

// copy is how far a copy in has come.
type copyIn struct {
	ended   bool // the client has sent the end of its data, and PostgreSQL has not ended the copy
	flushed bool // and was asked to say so at once
	unsure  bool // it has failed, and which Syncs were ignored is not known
	asked   bool // PostgreSQL was asked
	simple  bool // what failed was a simple query, after which nothing is skipped
	readies int  // how many ReadyForQuery have come since
	foreign byte // the type of the message that is no data, for which PostgreSQL was asked
	astray  bool // PostgreSQL has met such a message
}

// mayCopy are the kinds of statements that may copy in.
const mayCopy = 1<<sqltext.Copy | 1<<sqltext.Execute | 1<<sqltext.Unknown

// fromCopy handles messages while the upstream copies in.
func (x *exchange) fromCopy(typ byte, size int) bool {
	switch typ {
	case wire.CopyDone, wire.CopyFail:
		x.copying, x.copy.ended = false, true
	case wire.CopyData, wire.Flush:
	default:
		x.copy.foreign = typ
		x.askSyncs()
		return false
	}
	x.send()
	x.toUp.keep(size)
	return true
}

// nameForeign has PostgreSQL's complaint about a message among the data name the
// client's, where weir has asked in its place.
func (x *exchange) nameForeign(code sqlstate.Code, body []byte) {
	if x.copy.foreign == 0 || code != sqlstate.ProtocolViolation {
		return
	}
	if i := bytes.Index(body, fmt.Appendf(nil, foreignType, wire.Close)); i >= 0 {
		copy(body[i:], fmt.Appendf(nil, foreignType, x.copy.foreign))
	}
}

// foreignType is how the complaint writes a message's type (copyfromparse.c,
// CopyGetData).
const foreignType = "0x%02X"

// awaitCopy has PostgreSQL say what has become of the copy, for which a message of
// the client's waits.
func (x *exchange) awaitCopy() {
	if !x.copy.flushed {
		x.copy.flushed = true
		x.toUp.flush()
	}
}

// copied takes in that a statement was completed: if it was a copy, the Syncs
// among its data were ignored. A body may catch the error of a message that is no data.
func (x *exchange) copied() {
	if x.copying || x.copy.ended {
		x.copying, x.copy = false, copyIn{astray: x.copy.foreign != 0}
		x.due.ignoreSyncs()
	}
}

// mayIgnore notes that PostgreSQL begins to copy, and may ignore the Syncs that are
// sent already: those behind a query that copies in twice.
func (q *answers) mayIgnore() {
	for i := q.head; i < len(q.list); i++ {
		if a := &q.list[i]; a.kind == 'S' && a.fate == forwarded {
			a.ignored = true
		}
	}
}

// ignoreSyncs takes out the Syncs that were sent while a copy ran. Their group goes on: what
// it has done is not committed yet.
func (q *answers) ignoreSyncs() {
	kept, open := q.list[:q.head], true
	for _, a := range q.list[q.head:] {
		if a.ignored {
			q.ends--
			continue
		}
		if !a.own() {
			open = !a.ends()
		}
		kept = append(kept, a)
	}
	if len(kept) < len(q.list) {
		q.open = open
	}
	clear(q.list[len(kept):])
	q.list = kept
}

// copyFailed takes in that PostgreSQL has answered a message of that kind with an error, if
// it copied in.
func (x *exchange) copyFailed(kind byte, code sqlstate.Code) {
	var failed copyIn
	if x.copying || x.copy.ended {
		failed.astray = code == sqlstate.ProtocolViolation
		if x.due.doubtful() {
			failed.unsure, failed.simple = true, kind == 'Q'
			failed.asked, failed.foreign = x.copy.asked, x.copy.foreign
		}
	}
	x.copying, x.copy = false, failed
}

// askSyncs asks which Syncs were ignored, as soon as no message is half sent. Close
// succeeds in every state of a transaction, but may be skipped up to the next Sync. A
// copy that still runs ends over it, and the connection with it.
func (x *exchange) askSyncs() {
	if x.copy.asked || x.toUp.pass > 0 {
		return
	}
	x.copy.asked, x.barrier = true, true
	x.pushSync(answer{kind: 'S', fate: swallowed, ignored: true})
	x.due.push(answer{kind: 'C', fate: swallowed})
	x.pushSync(answer{kind: 'S', fate: swallowed})
	x.toUp.insert(func(out []byte) []byte {
		out = wire.AppendEmpty(out, wire.Sync)
		out = wire.AppendTarget(out, wire.Close, wire.Statement, refusedName)
		return wire.AppendEmpty(out, wire.Sync)
	})
}

// doubtful reports whether a Sync that is due may have been ignored.
func (q *answers) doubtful() bool {
	for i := q.head; i < len(q.list); i++ {
		if q.list[i].ignored {
			return true
		}
	}
	return false
}

// countReady takes in a ReadyForQuery for one of the Syncs that may have been
// ignored, and reports whether it was one.
func (x *exchange) countReady(size int) bool {
	if a := x.due.first(); !x.copy.unsure || a.kind != 'S' {
		return false
	}
	x.status = x.toClient.body(size)[0]
	x.toClient.discard(size)
	x.copy.readies++
	return true
}

// countedReadies takes in that all ReadyForQuery have come, of which the last
// answers weir's own Sync, and gives the client the others.
func (x *exchange) countedReadies() {
	real := x.copy.readies - 1
	for range real {
		x.announce(x.status)
		x.toClient.insert(func(out []byte) []byte { return wire.AppendReady(out, x.status) })
		x.observeQuery()
	}
	for x.due.first().kind == 'S' {
		x.s.over = x.due.first().span + 1
		x.due.pop()
	}
	x.answering = false
	x.s.settleGuesses()
	x.s.skipping = real == 0 && !x.copy.simple
	x.copy = copyIn{}
}
