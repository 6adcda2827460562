// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// upstreamLost takes in that the upstream's connection has broken. The client
// keeps its own: what it asked is answered with an error that says what is
// known of the outcome, and an open transaction block has failed.
func (x *exchange) upstreamLost(cause error) {
	if x.lostAhead(cause) {
		return
	}
	farewell, kept := x.fatal, x.counts()
	if a := x.due.first(); a != nil && a.kind == internal {
		x.found.complaint = x.lossError(cause)
		x.due.reset()
		x.toClient.forgetRest()
		x.discardUpstream("lost: " + cause.Error())
		return
	}
	if x.retry(cause) {
		return
	}
	err := x.lossError(cause)
	x.s.env.log.Warn("upstream connection lost", "pool", x.pool().name(), "address", x.up.Address(), "pid", x.up.PID(), "error", cause, "client", x.s.describe())
	inBlock, failed := x.inBlock(), x.status == wire.Failed
	broken := x.toClient.pass > 0 // the client has half a message, and the rest will never come
	open := x.due.open
	// PostgreSQL has lost its place in what the client sends, and so has weir.
	astray := x.copy.astray && sqlstate.Code(wire.Field(farewell, wire.FieldCode)) == sqlstate.ProtocolViolation
	asked := x.giveUp("lost: "+cause.Error(), err)
	if (kept || astray) && !broken && bytes.HasSuffix(farewell, endOfFields) {
		x.sendAway(farewell)
		return
	}
	if broken || kept {
		err.Hint = "Connect again."
		x.refuse(err)
		x.hungUp = broken
		return
	}
	if inBlock { // else PostgreSQL has not seen the block that is held back
		x.s.forgetOpening()
	}
	x.s.lost, x.s.snapshot = inBlock, snapshot{}
	x.s.tries, x.s.losses, x.s.doubt = 0, 0, nil
	if told := x.answerLost(asked, open, err); inBlock && !told && !failed {
		x.s.loss = err
	}
}

// forgetLost ends a block that was lost.
func (s *Session) forgetLost() { s.lost, s.loss, s.ending = false, nil, none }

// refusal is what a client is told in a lost block: first of the loss.
func (s *Session) refusal() *sqlstate.Error {
	if err := s.loss; err != nil {
		s.loss = nil
		return err
	}
	return errBlockLost
}

// giveUp drops the upstream with all that is under way there, which is answered
// with err, and returns what that is.
func (x *exchange) giveUp(why string, err *sqlstate.Error) (asked []answer) {
	for _, a := range x.due.list[x.due.head:] {
		if x.checks.st == nil && (a.kind != 'S' || !a.ignored && !a.own()) { // else weir alone asked, of a block that is lost
			asked = append(asked, a)
		}
	}
	x.takeBack()
	x.toClient.forgetRest()
	x.toUp.drop, x.toUp.pass = x.toUp.drop+x.toUp.pass, 0
	x.toUp.waste()
	x.discardUpstream(why)
	x.pool().stats.Errors.Add(string(err.Code))
	return asked
}

// takeBack undoes what was brought forward for requests that nobody will answer.
func (x *exchange) takeBack() {
	for i := range slices.Backward(x.due.list[x.due.head:]) {
		x.undo(&x.due.list[x.due.head+i])
	}
	x.due.reset()
	x.s.over = x.s.span
	x.undoUnnamed(false)
	x.hurt = nil
}

// inBlock reports whether the upstream is inside a transaction block, or about
// to be.
func (x *exchange) inBlock() bool { return x.status != wire.Idle || x.opened }

// endOfFields is the end of an ErrorResponse: that of the last field's value,
// and that of the list. One too long for the buffer is not kept whole.
var endOfFields = []byte{0, 0}

// sendAway ends a client that had its upstream to itself with the words with
// which PostgreSQL ended that.
func (x *exchange) sendAway(farewell []byte) {
	x.toClient.insert(func(out []byte) []byte {
		out = wire.AppendHeader(out, wire.ErrorResponse, wire.HeaderSize+len(farewell))
		return append(out, farewell...)
	})
	x.leaving, x.refused = true, true
}

// answerLost answers everything that was under way when the upstream was lost:
// one error a group, and its ReadyForQuery. A group that is still open, because
// its Sync has not come, gets its error too where all of it so far was answered:
// its Sync would commit it. It reports whether the client has heard of an error, this
// one or an earlier one of its group.
func (x *exchange) answerLost(asked []answer, open bool, err *sqlstate.Error) (heard bool) {
	status := x.s.blockStatus()
	if !open {
		asked = begun(asked)
	}
	told := false // an error has been sent for a group whose end has not come
	heard = len(asked) > 0 || x.s.skipping
	for i := range asked {
		ends := asked[i].ends()
		// A Sync that ends the group whose error the client has had already.
		skipped := i == 0 && x.s.skipping && asked[i].kind == 'S'
		x.toClient.insert(func(out []byte) []byte {
			if !told && !skipped {
				out = wire.AppendError(out, err)
			}
			if ends {
				out = wire.AppendReady(out, status)
			}
			return out
		})
		told = !ends
	}
	if open && !told && !x.s.skipping {
		told, heard = true, true
		x.toClient.insert(func(out []byte) []byte { return wire.AppendError(out, err) })
	}
	x.s.skipping = told || x.s.skipping && len(asked) == 0
	return heard
}

// begun leaves out what weir itself has sent in front of a message of which
// nothing was sent: the client has not asked anything with it yet.
func begun(asked []answer) []answer {
	n := len(asked)
	for n > 0 && asked[n-1].own() && !asked[n-1].ends() {
		n--
	}
	return asked[:n]
}

// connectionLost is the error for a connection to PostgreSQL that has broken.
func connectionLost(address string) *sqlstate.Error {
	return &sqlstate.Error{
		Code:    sqlstate.ConnectionFailure,
		Message: fmt.Sprintf("connection to PostgreSQL at %s was lost", address),
		Routine: sqlstate.UpstreamLost,
	}
}

// lossOf is the error for the loss of the upstream, which says nothing of what
// was under way. Where PostgreSQL has said why it closed, these are its words.
func (x *exchange) lossOf(cause error) *sqlstate.Error {
	e := connectionLost(x.up.Address())
	e.Hint, e.Err = "The connection to weir is still open: try again.", cause
	if x.fatal != nil {
		said := serverError(x.fatal)
		e.Message = said.Message
		e.Code = said.Code
	}
	return e
}

// lossError is lossOf with what is known of the outcome: what is not known for all
// that was under way is not stated.
func (x *exchange) lossError(cause error) *sqlstate.Error {
	e := x.lossOf(cause)
	x.fatal = nil
	switch {
	case !x.inBlock() && (x.synced || x.due.first() != nil && x.due.first().kind == internal):
		e.Detail = "Nothing was under way."
	case x.rolledBack():
		e.Detail = "PostgreSQL has rolled back the transaction."
	case x.inBlock() || !x.changedNothing():
		said := e.Code
		e = unknownOutcome(e)
		if said == sqlstate.AdminShutdown && x.endsItself() {
			e.Code = said // the client has asked for it, and knows the code
		}
		return e
	case x.toClient.unsent(x.marks.said):
		e.Detail = "The answer was lost. What was asked only reads: nothing has changed."
	default:
		e.Detail = "A part of the answer had gone to the client, and the rest was lost. What was asked only reads: nothing has changed."
	}
	return e
}

// unknownOutcome makes e the error for what may have changed something.
func unknownOutcome(e *sqlstate.Error) *sqlstate.Error {
	e.Code = sqlstate.TransactionUnknown
	e.Detail = "PostgreSQL may have carried out what was asked, or not."
	e.Hint = "Look at the data before you ask again. The connection to weir is still open."
	return e
}

// blockStatus is the state of a client that has no upstream.
func (s *Session) blockStatus() byte {
	switch {
	case s.lost:
		return wire.Failed
	case len(s.opening) > 0:
		return wire.InTransaction
	}
	return wire.Idle
}

// errBlockLost is PostgreSQL's own error for a failed block, with the reason.
var errBlockLost = &sqlstate.Error{
	Code:    sqlstate.InFailedTransaction,
	Message: "current transaction is aborted, commands ignored until end of transaction block",
	Detail:  "The transaction has lost its connection to PostgreSQL, or could get none. It was rolled back.",
	Hint:    "Send ROLLBACK, then run the transaction again.",
	Routine: sqlstate.TransactionLost,
}

// requestLost answers a client whose block's upstream was lost, as PostgreSQL
// answers in a failed block, until the client ends it.
func (x *exchange) requestLost(typ byte, size int) bool {
	body := x.toUp.body(size)
	s := x.s
	var reply []byte
	switch typ {
	case wire.Query:
		end, more := endOfQuery(body)
		if more && (end == reverses || end == commits && s.loss == nil) {
			return x.goOn(typ, size)
		}
		if end != none {
			reply, _ = s.endLost(end)
			reply = wire.AppendReady(reply, wire.Idle)
		}
	case wire.Parse:
		reply = s.parseLost(body)
	case wire.Bind:
		if _, name, _, err := wire.ReadBind(body); err == nil && s.endIn(name) != none {
			s.ending = s.endIn(name)
			reply = wire.AppendEmpty(nil, wire.BindComplete)
		}
	case wire.Describe:
		reply = s.describeLost(body)
	case wire.Execute:
		if s.ending != none {
			reply, s.skipping = s.endLost(s.ending)
		}
	case wire.Close:
		reply = wire.AppendEmpty(nil, wire.CloseComplete)
	case wire.Flush, wire.CopyData, wire.CopyDone, wire.CopyFail:
		x.toUp.discard(size)
		return true
	}
	if reply == nil {
		reply = wire.AppendError(nil, s.refusal())
		if typ == wire.Query || typ == wire.FunctionCall {
			reply = wire.AppendReady(reply, wire.Failed)
		} else {
			s.skipping = true
		}
	}
	x.toUp.discard(size)
	x.toClient.insert(func(out []byte) []byte { return append(out, reply...) })
	return true
}

// describeLost answers a Describe in a lost block, nil where it is refused: only of
// what ends the block is it known that it has no parameters and returns no rows. A
// client that was told so of another statement would believe it.
func (s *Session) describeLost(body []byte) []byte {
	kind, name, err := wire.ReadTarget(body)
	switch noData := wire.AppendEmpty(nil, wire.NoData); {
	case err == nil && kind != wire.Statement && s.ending != none:
		return noData
	case err == nil && kind == wire.Statement && s.endIn(name) != none:
		return append(append(wire.AppendHeader(nil, wire.ParameterDescription, 7), 0, 0), noData...)
	}
	return nil
}

// ending is how far a client has come with ending a block that was lost.
type ending uint8

const (
	none     ending = iota
	reverses        // a ROLLBACK is bound
	commits         // a COMMIT is bound
)

// endOf returns how a text ends a block, none where it does not. One with AND CHAIN
// does not: nobody knows the characteristics of the transaction that was lost, which
// the next one would have.
func endOf[T sqltext.Text](text T) ending {
	switch kind, ok := sqltext.Ends(text); {
	case !ok:
		return none
	case kind == sqltext.Commit:
		return commits
	}
	return reverses
}

// endIn is endOf for one of the client's statements.
func (s *Session) endIn(name []byte) ending {
	st := s.find(name)
	if st == nil {
		return none
	}
	return endOf(st.Text)
}

// endOfQuery returns how the first statement of a simple query ends a block, and whether
// there is more to be carried out.
func endOfQuery(body []byte) (end ending, more bool) {
	text := bytes.TrimSuffix(body, []byte{0})
	_, next, _ := sqltext.Next(text, 0)
	_, _, more = sqltext.Next(text, next)
	return endOf(text[:next]), more
}

// goOn makes a block that was lost one of an upstream's, where it has failed too. Then
// PostgreSQL itself ends it, and carries out what follows in the same text.
func (x *exchange) goOn(typ byte, size int) bool {
	if x.up == nil && !x.acquire(typ, size) {
		return false
	}
	if x.up == nil {
		return true // refused, and answered
	}
	err := x.command(`BEGIN;ROLLBACK TO "the connection of this transaction was lost"`)
	if x.up != nil && x.status == wire.Failed {
		x.s.forgetLost()
		return x.again()
	}
	x.discardUpstream("it did not begin a transaction")
	x.lostUnused(err)
	return x.again()
}

// endLost ends a lost block. A COMMIT is answered ROLLBACK only where the client knows
// that its transaction has failed: a driver takes that for success. Otherwise it fails,
// and what follows in its text or group is not carried out.
func (s *Session) endLost(end ending) (reply []byte, fails bool) {
	if fails = end == commits && s.loss != nil; fails {
		reply = wire.AppendError(nil, s.loss)
	} else {
		reply = wire.AppendComplete(nil, "ROLLBACK") // what follows is in no block
	}
	s.forgetLost()
	return reply, fails
}

// parseLost answers a Parse in a lost block, nil where it is refused.
func (s *Session) parseLost(body []byte) []byte {
	m, err := wire.ReadParse(body)
	if err != nil || endOf(m.Text) == none {
		return nil
	}
	name := string(keyed(m.Name))
	s.forgetNamed(name)
	s.define(name, m.Text, m.OIDs)
	return wire.AppendEmpty(nil, wire.ParseComplete)
}
