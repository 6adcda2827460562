// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// What a session holds and cannot take along pins its client: it keeps its
// upstream between transactions, for as long as PostgreSQL says that it is there.
// A text only says what may be there. So at the end of a transaction whose texts
// may have left something, or ended what was there, PostgreSQL is asked: a lock
// that was not got, a table that was rolled back, what is gone again pins nobody.
// What PostgreSQL cannot be asked for pins until DISCARD ALL, or DISCARD
// SEQUENCES where that is it, or until the client leaves.

// pin is why a client keeps its upstream. It is changed by its client's loop,
// under Session.mu, and read by any goroutine under that.
type pin struct {
	reasons reasons
	since   [len(reasonNames)]time.Time // when each began; zero for those not in reasons
	warn    *time.Timer                 // for the log, nil where it is not to be warned; see warnLater
}

// remains is what a client's statements may have left on its upstream, or ended
// there, that pins it.
type remains struct {
	left     reasons // since decide
	told     reasons // those of left whose request has ended, so that the client counts on them
	ended    reasons // since then
	possible reasons // left since the upstream was acquired
	unproven bool    // PostgreSQL did not say what pins: the next transaction asks again
}

// pinned returns why the client keeps its upstream, zero where it does not. Only
// its own loop may ask.
func (s *Session) pinned() reasons {
	if s.pin == nil {
		return 0
	}
	return s.pin.reasons
}

// setPin changes why the client keeps its upstream.
func (s *Session) setPin(to reasons) {
	if to == s.pinned() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case to == 0:
		if s.pin.warn != nil {
			s.pin.warn.Stop()
		}
		s.pin = nil
	case s.pin == nil:
		s.pin = &pin{warn: s.warnLater()}
		fallthrough
	default:
		s.pin.change(to, time.Now())
	}
}

// change changes the reasons; those that stay keep their age.
func (p *pin) change(to reasons, now time.Time) {
	for i := range p.since {
		switch {
		case to&(1<<i) == 0:
			p.since[i] = time.Time{}
		case p.since[i].IsZero():
			p.since[i] = now
		}
	}
	p.reasons = to
}

// keeps reports whether the client has its upstream between transactions, or may
// have to.
func (x *exchange) keeps() bool {
	return x.s.pin != nil || x.remains.left != 0 || x.pool().sessionMode()
}

// counts is keeps for the loss of the upstream: what a request may leave that has not
// ended is in doubt with that, and the client is told so.
func (x *exchange) counts() bool {
	return x.s.pin != nil || x.remains.left&x.remains.told != 0 || x.pool().sessionMode()
}

// permit reports whether a statement may be sent, as far as what it leaves behind
// goes. Where it may not, done says whether its message is settled, or comes again.
func (x *exchange) permit(e *effect, size int) (ok, done bool) {
	if e.takesReserved() {
		x.provokeStatement(size, errReserved)
		return false, true
	}
	if e.pins&sequences != 0 {
		x.pool().sequences.Store(true)
	}
	shows := e.channels && x.s.ears != nil && !x.listen.began && x.status == wire.Idle
	asks := (e.uses || e.names || x.up.mover != 0) && x.clears(e)
	switch {
	case e.pins&^opaque == 0 && !asks && !shows:
		return true, false
	case !x.calm():
		return false, x.again()
	case e.pins&^opaque != 0 && !x.admitted(e.tentative):
		return false, false
	case asks:
		if ok, done = x.ownSequences(); !ok {
			return ok, done
		}
	}
	if shows && x.synced && x.due.empty() {
		return x.showChannels()
	}
	return true, false
}

// calm waits for the answer to what went ahead of a request of which nothing has
// been sent yet. It returns false where the upstream was lost over that.
func (x *exchange) calm() bool {
	if x.onlyAhead() {
		x.settleDue()
	}
	return x.up != nil
}

// onlyAhead reports whether nothing is under way but what went ahead of a request.
func (x *exchange) onlyAhead() bool {
	a := x.due.first()
	return a != nil && a.kind == ahead && x.due.groups() == 1 && x.due.between()
}

// pastAhead waits for what went ahead of the request that stands at the fence. It
// returns false where that stands there for a group of the client's own. After
// another turn the upstream would be let go of, and the next one may need as much to
// go ahead: the request would come to the same fence for ever.
func (x *exchange) pastAhead() bool {
	if !x.onlyAhead() {
		return false
	}
	x.calm()
	return true
}

// again takes the client's next message up anew, after the upstream was lost that
// it would have gone to.
func (x *exchange) again() bool {
	typ, size, _, _ := x.toUp.next() // it was framed once
	return x.request(typ, size)
}

// leftBehind takes in what a statement that was answered may have left behind.
func (x *exchange) leftBehind(r reasons) {
	if r != 0 {
		x.remains.left |= r
		x.remains.possible |= r
	}
}

// leftNothing takes in that a statement failed. Locks and the like outlive a
// rollback, but what PostgreSQL's own grammar refuses has done nothing, nor has a
// function that there is not. What a function ran and could not read or find has
// a context.
func (a *answer) leftNothing(code sqlstate.Code, body []byte) {
	refused := code == sqlstate.SyntaxError || a.kind == 'F' && code == undefinedFunction
	if a.pins&unclear != 0 && (refused && wire.Field(body, 'W') == nil || a.ranNothing(code, body)) {
		a.pins &^= unclear
	}
}

// undefinedFunction is the code of PostgreSQL's for a FunctionCall of an oid that
// no function has.
const undefinedFunction sqlstate.Code = "42883"

// undecided reports whether it is open what the client keeps its upstream for.
func (x *exchange) undecided() bool {
	return (x.remains.left != 0 || x.remains.ended&x.s.pinned() != 0) && !x.pool().sessionMode()
}

// decide finds out, between two transactions, what pins the client now.
func (x *exchange) decide() {
	before := x.s.pinned()
	now := before | x.remains.left&^opaque
	ask := x.remains.left&(provable|opaque)&^before != 0 || x.remains.ended&before != 0
	x.remains.left, x.remains.told, x.remains.ended = 0, 0, 0
	if ask {
		shown, err := x.probe()
		switch {
		case x.up == nil:
			x.bereave(err)
			return
		case err != nil:
			x.remains.unproven = true
			x.s.env.log.Warn("PostgreSQL did not say what a client holds: it keeps its connection at least until its next transaction", "error", err, "client", x.s.describe())
		default:
			now = now&^provable | shown
		}
	}
	if now != 0 && !x.s.place {
		x.s.place = x.pool().places.take(0, true) // nobody saw it coming
	}
	x.s.setPin(now)
}

// bereave sends a client away whose upstream was lost with what it held there.
func (x *exchange) bereave(err error) {
	lost := *sqlstate.From(err)
	lost.Detail, lost.Hint = "What the session held there is lost with it.", "Connect again."
	x.refuse(&lost)
}

// unpin takes in that the client itself has ended the reasons given. Statements of
// the extended protocol may yet run that were bound before that.
func (x *exchange) unpin(r reasons, a *answer) {
	gone := x.s.pinned() & r
	if a != nil && a.kind == 'Q' {
		gone |= x.remains.left & r
		x.remains.left &^= r
	}
	if gone&lasting != 0 {
		x.up.doom("what its last client left cannot be undone: " + (gone & lasting).String())
	}
	x.s.setPin(x.s.pinned() &^ r)
}
