// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// BEGIN is held back. It is answered at once, and goes to PostgreSQL with the
// first statement that does something: until then the client needs no upstream,
// and PostgreSQL can restart without the client's noticing. Only forms that
// cannot fail are held back, and SET TRANSACTION after them. What a client can
// tell from it is that now() is the time of that first statement.

// holdBack answers what begins a block, or ends one that PostgreSQL has not seen.
// It returns false for everything else.
func (x *exchange) holdBack(typ byte, size int) bool {
	if !x.pool().config().DeferBegin || x.pool().sessionMode() || !x.toUp.whole(size) {
		return false
	}
	switch typ {
	case wire.Query:
		text := bytes.TrimSuffix(x.toUp.body(size), []byte{0})
		if !maybeBlock(text) {
			return false
		}
		tag := x.s.advance(text)
		if tag == "" {
			return false
		}
		x.s.setUnnamed(nil) // as any simple query does
		x.s.framed = false
		x.toUp.discard(size)
		status := x.s.blockStatus()
		x.announce(status)
		x.toClient.insert(func(out []byte) []byte { return wire.AppendReady(wire.AppendComplete(out, tag), status) })
		return true
	case wire.Parse, wire.Bind:
		return x.holdBackGroup(typ, size)
	}
	return false
}

// maybeBlock is a quick look at the first letter of a text. One that begins with
// a comment is not held back.
func maybeBlock(text []byte) bool {
	if len(text) < len("END") {
		return false
	}
	switch text[0] | 0x20 {
	case 'b', 'c', 'e', 'r', 'a':
		return true
	case 's': // START, SET; not SELECT
		return text[1]|0x20 == 't' || text[2]|0x20 == 't'
	}
	return false
}

// advance brings the block that is held back forward by a statement, and returns
// the tag that answers it, "" where PostgreSQL has to.
func (s *Session) advance(text []byte) string {
	o, ok := sqltext.Opens(text)
	ok = ok && !s.snapshot.lacks // else PostgreSQL may have to refuse it
	if len(s.opening) == 0 {
		if !ok || o.Kind != sqltext.Begin {
			return ""
		}
		s.opening = append(s.opening, o.SQL)
		s.pool.stats.Deferred.Add(s.client.Loop().Index(), 1)
		return o.Tag
	}
	if ok && o.Kind == sqltext.SetTransaction && len(s.opening) < mostHeldBack {
		s.opening = append(s.opening, o.SQL)
		return o.Tag
	}
	kind, ok := sqltext.Ends(text)
	if !ok {
		return ""
	}
	s.forgetOpening()
	s.snapshot = snapshot{}
	if kind == sqltext.Rollback {
		return "ROLLBACK"
	}
	return "COMMIT"
}

// mostHeldBack bounds the statements of one block that are held back.
const mostHeldBack = 8

// noOIDs is the list of no parameter types, as in a Parse message.
var noOIDs = []byte{0, 0}

// forgetOpening ends the block that is held back: it was opened, or ended.
func (s *Session) forgetOpening() {
	clear(s.opening)
	s.opening = s.opening[:0]
}

// failBlock makes a block that is held back one that has failed: there is no
// upstream for it. One that was lost before, and that a text was to end, has ended.
func (s *Session) failBlock() {
	s.snapshot = snapshot{}
	s.lost, s.loss = len(s.opening) > 0, nil
	s.forgetOpening()
}

// open puts what was held back in front of the client's request. It goes as
// Execute messages without a Sync: should one fail, against all expectation,
// PostgreSQL skips the request too, whatever its form, where it would otherwise
// be carried out without its block.
func (x *exchange) open() {
	x.opened = true
	last := len(x.s.opening) - 1
	x.up.Prepared.Unnamed = &someStatement
	for i, sql := range x.s.opening {
		x.due.push(answer{kind: 'P', fate: swallowed, unnamed: true})
		x.due.push(answer{kind: 'B', fate: swallowed})
		x.due.push(answer{kind: 'E', fate: swallowed, opens: i == last})
		x.toUp.insert(func(out []byte) []byte {
			out = wire.AppendParse(out, "", sql, noOIDs)
			return wire.AppendExecute(wire.AppendBind(out, "", ""), "")
		})
	}
	// A client that has begun by a simple query has no portal. Another query drops what
	// it finds, unless it fails before it runs.
	if x.stray = !x.s.framed; x.stray {
		if typ, _, _, _ := x.toUp.next(); typ != wire.Query {
			x.dropStray()
			x.strayed = 0 // nothing can fail in front of it but the BEGIN
		}
	}
}

// dropStray closes the unnamed portal that is not the client's. Where that is skipped,
// it is still there.
func (x *exchange) dropStray() {
	x.stray, x.strayed = false, x.s.span+1
	x.due.push(answer{kind: 'C', fate: swallowed, strays: true})
	x.toUp.insert(func(out []byte) []byte { return wire.AppendTarget(out, wire.Close, wire.Portal, "") })
}

// waitsForStray has a message wait for which it matters whether that is done, as long
// as its span may yet fail.
func (x *exchange) waitsForStray(portal []byte) bool {
	if len(portal) > 0 || x.strayed == 0 || !x.uncertain(x.strayed-1) {
		return false
	}
	x.fence = true
	return true
}

// opens takes in that a statement of weir's own was executed.
func (x *exchange) opens(a *answer) {
	if a.opens {
		x.s.forgetOpening()
	}
}

// opening reports whether PostgreSQL still owes the beginning of the block.
func (x *exchange) opening() bool { return x.opened && len(x.s.opening) > 0 }

// abandon gives up an upstream that did not begin a block, which only a cancel or
// an exhausted server explains. Nothing of the group in front of which it stood was
// executed.
func (x *exchange) abandon(err *sqlstate.Error) {
	err.Detail = "It was said to the BEGIN in front of this statement, which was not executed."
	if x.due.asksBehind() {
		err = unknownOutcome(err) // those behind were, without a block
	}
	open := x.due.open
	asked := x.giveUp("it did not begin a transaction: "+err.Message, err)
	x.s.failBlock()
	x.answerLost(asked, open, err)
}
