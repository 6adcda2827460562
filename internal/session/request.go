// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

const (
	// longestText is the longest Parse message that weir holds in memory. A
	// longer one is forwarded unseen where that is possible.
	longestText = 4 << 20 // 4 MiB

	// longestName bounds messages that are a name and little else. PostgreSQL
	// has no limit of its own for them.
	longestName = 64 << 10 // 64 KiB
)

// violation is the error for bytes that are not the protocol.
func violation(format string, args ...any) *sqlstate.Error {
	return &sqlstate.Error{Code: sqlstate.ProtocolViolation, Message: fmt.Sprintf(format, args...)}
}

// request handles the client's next message: it is forwarded, changed, answered
// here or dropped. It returns false where nothing was done: more of the
// message has to come, or something has to happen first.
func (x *exchange) request(typ byte, size int) bool {
	if !x.complete(typ, size) {
		return false
	}
	switch {
	case typ == wire.Terminate:
		x.toUp.discard(size)
		x.leaving = true
		return true
	case (typ == wire.Sync || typ == wire.Flush) && size != wire.HeaderSize:
		// An error that answers a Flush would leave nobody knowing what is due.
		x.refuse(violation("malformed message of type %q; the connection is closed", typ))
		return true
	case x.discarded && x.up != nil:
		return x.giveBack(typ, size)
	case typ == wire.Sync:
		return x.sync(size)
	case x.copy.ended:
		x.awaitCopy()
		return false
	case x.s.skipping:
		x.toUp.discard(size)
		return true
	case x.s.lost:
		return x.requestLost(typ, size)
	case x.up == nil && !x.needsUpstream(typ):
		x.toUp.discard(size)
		return true
	case x.up == nil && (x.holdBack(typ, size) || x.answerAlone(typ, size)):
		return true
	case x.up == nil && x.isListen(typ, size) && x.awaitHub(typ, size):
		return true
	case x.up == nil && !x.acquire(typ, size):
		return false
	case x.s.skipping || x.up == nil:
		return true // refused, and answered
	case x.synced && x.status == wire.Idle && (x.changes.touched || !x.fits()) && !x.bringAgain():
		return x.s.refused != nil && x.acquire(typ, size) // refused; lost, it asks for another
	case !x.meter.looked && x.catalogStale():
		if x.calm() {
			x.readCatalog()
		}
		return x.again()
	case x.copying:
		return x.fromCopy(typ, size)
	case x.changes.reverts && x.mayRevert():
		x.fence = true
		return false
	case x.s.pin != nil && x.status == wire.Idle && !x.relieve(false):
		return true
	}
	return x.forward(typ, size)
}

// complete reports whether enough of the message has come to decide about it:
// all of it, or as much as the buffer holds.
func (x *exchange) complete(typ byte, size int) bool {
	p := &x.toUp
	if p.whole(size) {
		return true
	}
	switch typ {
	case wire.CopyData:
		if x.up != nil {
			return true // a stream of bytes
		}
	case wire.FunctionCall:
		if x.up != nil {
			return p.have(size) >= wire.HeaderSize+oidSize // which function, then a stream of bytes
		}
	case wire.Parse, wire.Query, wire.Bind:
		// What does not fit stays in the socket while the client waits.
	default:
		if size > longestName {
			x.refuse(violation("a message of type %q with %d bytes is too long; the connection is closed", typ, size))
			return false
		}
		p.grow(size)
		return false
	}
	return p.have(size) >= pipeSize/2
}

// needsUpstream reports whether a message means anything outside a transaction.
func (x *exchange) needsUpstream(typ byte) bool {
	switch typ {
	case wire.Flush, wire.CopyData, wire.CopyDone, wire.CopyFail:
		// The rest of a copy that has failed, or nothing to flush.
		return false
	}
	return true
}

// sync handles Sync: the end of a group of messages.
func (x *exchange) sync(size int) bool {
	if x.up == nil || x.s.lost {
		x.toUp.discard(size)
		x.s.skipping = false
		x.s.settleGuesses()
		x.s.ending = none
		status := x.s.blockStatus()
		x.s.snapshot.sent()
		x.s.snapshot.answered(status, 0)
		if x.changes.reports != nil {
			x.report()
		}
		x.toClient.insert(func(out []byte) []byte { return wire.AppendReady(out, status) })
		return true
	}
	x.send()
	x.s.skipping = false
	x.toUp.keep(size)
	x.pushSync(answer{kind: 'S', ignored: x.copying})
	x.barrier = x.barrier || x.checks.holds || x.unsettledListening()
	x.checks.holds = false
	return true
}

// send notes that something is about to be sent to the upstream.
func (x *exchange) send() {
	if !x.copying && !x.copy.ended && !x.s.skipping && x.due.clean() {
		if x.due.empty() || x.onlyAhead() { // else one of them may not be there
			x.dropOthers()
		}
		x.evict()
	}
	if !x.synced {
		return
	}
	x.synced, x.meter.looked = false, false
	x.mark()
	if len(x.s.opening) > 0 {
		x.open()
	}
	if x.meter.asked.IsZero() {
		x.meter.asked = x.meter.acquired
	} else {
		x.meter.asked = time.Now()
	}
	if x.status == wire.Idle {
		x.meter.began = x.meter.asked
	}
}

// forward handles a message outside a copy, with an upstream at hand.
func (x *exchange) forward(typ byte, size int) bool {
	switch typ {
	case wire.Query:
		return x.query(size)
	case wire.Parse:
		return x.parse(size)
	case wire.Bind:
		return x.bind(size)
	case wire.Describe:
		return x.describe(size)
	case wire.Close:
		return x.closeTarget(size)
	case wire.Execute:
		return x.execute(size)
	case wire.FunctionCall:
		return x.functionCall(size)
	case wire.Flush:
		x.toUp.keep(size)
		return true
	case wire.CopyData, wire.CopyDone, wire.CopyFail:
		if !x.due.empty() {
			// What is not answered may begin a copy that no kind of statement shows: before
			// which of the client's Syncs do its data end?
			x.toUp.flush()
			x.barrier = true
			return false
		}
		// It is of a copy that has failed: the server ignores what it does not expect.
		x.toUp.keep(size)
		return true
	}
	x.refuse(violation("the client sent a message of type %q, which means nothing here; the connection is closed", typ))
	return true
}

// functionCall handles FunctionCall.
func (x *exchange) functionCall(size int) bool {
	pins := calls(x.toUp.body(size))
	if pins != 0 && x.left() && x.status != wire.Failed {
		if !x.due.between() {
			// As in query: it may be skipped.
			x.toUp.flush()
			x.barrier = true
			return false
		}
		if ok, done := x.ownSequences(); !ok {
			return done
		}
	}
	if pins != 0 || callsNextval(x.toUp.body(size)) {
		x.uses()
	}
	x.atStake(1 << sqltext.Call)
	x.send()
	x.toUp.keep(size)
	x.due.push(answer{kind: 'F', pins: pins})
	x.s.snapshot.sent()
	return true
}

// query handles a simple query.
func (x *exchange) query(size int) bool {
	if !x.toUp.whole(size) && size <= longestText {
		x.send() // keeps the upstream until the rest has come
		x.toUp.grow(size)
		return false
	}
	if !x.due.between() {
		// PostgreSQL skips it if something fails that was sent in its span.
		x.toUp.flush()
		x.barrier = true
		return false
	}
	text := bytes.TrimSuffix(x.toUp.body(size), []byte{0})
	e := unread
	if x.toUp.whole(size) {
		e = x.effectOfText(text)
	}
	need, wait := x.needOf(e.kinds)
	if wait || x.waitsForNames(&e) {
		return false
	}
	head := x.revives(&e, text)
	if x.up == nil {
		return true // it was lost over that, and answered
	}
	e = *x.withMentioned(&e)
	kinds := e.kinds
	if kinds&listenKind != 0 && x.awaitHub(wire.Query, size) {
		return true
	}
	if kinds&forgetful != 0 {
		if x.due.groups() > 0 {
			x.fence = true // what is prepared depends on groups that may yet fail
			return false
		}
		if x.answerDeallocate(text, kinds, size) {
			return true
		}
		// What follows may prepare again what this forgets: wait for its end.
		x.barrier = true
	}
	again, ok := x.reclaims(&e)
	if !ok {
		return false
	}
	if ok, done := x.permit(&e, size); !ok {
		return done
	}
	if e.waits() && !x.relieve(true) {
		return true
	}
	if again {
		x.send()
		x.reclaim(true)
	}
	if e.mentions != nil {
		x.notePrepared(e.mentions, text)
	}
	x.leaves(&e)
	x.send()
	x.meetNeed(need, &e, true)
	x.sendQuery(&e, text, size, head)
	return true
}

// sendQuery sends a simple query of that effect, of which a head goes ahead.
func (x *exchange) sendQuery(e *effect, text []byte, size, head int) {
	changed := head > 0
	if changed {
		text = x.revive(text, head)
		e.resets = x.effectOfText(text).resets
	}
	var steps []step
	if x.follows(e.kinds) {
		steps = stepsOf(text)
	}
	if e.mentions != nil && x.status != wire.Failed && x.align(e.mentions, true) {
		x.barrier = true // until it is seen that nothing of that has failed
	}
	x.dropOthersOf(e)
	x.barrier = x.due.lead() || x.barrier
	if e.signals {
		x.aimText(text)
	}
	followed, added := e.followed(text, x.pool().lore.Load(), x.s.start)
	if added != nil {
		text, changed = followed, true
	}
	if head > 0 {
		text, added = asSeveral(text, added)
	}
	if changed {
		x.toUp.replace(size, size, func(out []byte) []byte { return wire.AppendQuery(out, text) })
	} else {
		x.toUp.keep(size)
	}
	// A simple query ends both the client's unnamed statement and the
	// upstream's (PostgreSQL: exec_simple_query).
	x.s.assumeUnnamed(nil)
	x.up.Prepared.Unnamed = nil
	alone := head == 0 && (e.mentions != nil || e.kinds&forgetful != 0) && sqltext.Scan(text).Count == 1
	x.due.push(answer{kind: 'Q', unnamed: true, pins: e.pins, added: added, steps: steps, alone: alone, returns: e.kinds&mayReturn != 0, frees: frees(e.mentions)})
	x.s.snapshot.sent()
	x.barrier = x.barrier || head > 0 || e.kinds&mayCopy != 0 || x.unsettledListening()
}

// forgetful are the kinds of statements after which others are prepared no more.
const forgetful = 1<<sqltext.Deallocate | 1<<sqltext.DeallocateAll | 1<<sqltext.DiscardAll

// answerDeallocate answers DEALLOCATE of one of this client's protocol-level
// statements. The upstream knows it by another name and others share it there,
// so only this client forgets it.
func (x *exchange) answerDeallocate(text []byte, kinds sqltext.Kinds, size int) bool {
	if kinds != 1<<sqltext.Deallocate || !x.due.empty() || !x.synced || x.status == wire.Failed || sqltext.Scan(text).Count != 1 {
		return false
	}
	name := sqltext.First(text).Name
	if x.s.named[name] == nil || len(name) > sqltext.LongestName-utf8.UTFMax {
		return false // PostgreSQL may say that it has cut the name
	}
	x.s.forgetNamed(name)
	x.s.setUnnamed(nil)
	x.toUp.discard(size)
	status := x.status
	if status == wire.Idle {
		status = x.s.blockStatus() // the block may be held back
		x.s.framed = false
	} else {
		x.stray = true // a query would have ended the client's unnamed portal
	}
	x.s.snapshot.lacks = x.s.snapshot.lacks || status != wire.Idle
	x.toClient.insert(func(out []byte) []byte {
		return wire.AppendReady(wire.AppendComplete(out, "DEALLOCATE"), status)
	})
	return true
}

// execute handles Execute.
func (x *exchange) execute(size int) bool {
	portal, _, ok := wire.CString(x.toUp.body(size))
	if !ok {
		x.refuse(violation("malformed Execute message; the connection is closed"))
		return true
	}
	if x.waitsForStray(portal) {
		return false
	}
	st := x.portals[string(portal)]
	var e *effect
	if st != nil {
		if e = x.withMentioned(x.effectOf(st)); x.waitsForNames(e) {
			return false
		}
	}
	x.executes()
	x.send()
	if x.stray && len(portal) == 0 {
		x.dropStray()
	}
	if st != nil {
		x.noteRereads(&st.effect)
	}
	var freed []string
	var pins reasons
	if st != nil && e.mentions != nil {
		x.align(e.mentions, false)
		freed, pins = frees(e.mentions), e.pins
		x.leaves(e) // another statement may have the name since it was bound
	}
	x.toUp.keep(size)
	x.due.push(answer{kind: 'E', st: st, frees: freed, pins: pins})
	if st != nil {
		x.restore(st)
	}
	if st != nil && (st.forgets() || mayCopy&(1<<st.kind) != 0) {
		// As in query: what follows may prepare again what this forgets, or be data.
		x.toUp.flush()
		x.barrier = true
	}
	return true
}
