// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"errors"
	"maps"
	"strings"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// reply handles the upstream's next message: it is forwarded, dropped or
// changed. It returns false where more of it has to come first.
func (x *exchange) reply(typ byte, size int) bool {
	p := &x.toClient
	x.dying = false
	if typ == wire.ParameterDescription && x.halfDescribed(size) {
		p.discard(size)
		return true
	}
	if x.due.faked() && typ != wire.ErrorResponse && typ != wire.ParameterStatus {
		x.fake()
	}
	switch typ {
	case wire.DataRow:
		if x.found.rows != nil && !x.row(size) {
			return false
		}
		x.pass(size)
		return true
	case wire.CopyData, wire.CopyDone:
		x.pass(size)
		return true
	case wire.ErrorResponse, wire.ParameterStatus, wire.CommandComplete, wire.ReadyForQuery, wire.RowDescription, wire.NotificationResponse:
		// Looked into below: wait for all of it, or as much as the buffer holds.
		if !p.whole(size) && p.have(size) < pipeSize/2 {
			return false
		}
	}
	switch typ {
	case wire.ReadyForQuery:
		x.ready(size)
	case wire.ErrorResponse:
		x.failure(size)
	case wire.ParameterStatus:
		x.parameter(size)
	case wire.CommandComplete, wire.EmptyQueryResponse, wire.PortalSuspended:
		x.completed(typ, size)
	case wire.ParseComplete, wire.BindComplete, wire.CloseComplete, wire.RowDescription, wire.NoData:
		x.acknowledged(typ, size)
	case wire.ParameterDescription:
		if a := x.due.first(); a != nil && a.fate == swallowed {
			p.discard(size)
			return true
		}
		x.answering = true
		x.pass(size)
	case wire.NoticeResponse:
		x.dying = isLastWarning(p.body(size))
		x.pass(size)
	case wire.NotificationResponse:
		x.notification(size)
	case wire.CopyInResponse:
		x.copying, x.copy.ended, x.copy.flushed = true, false, false // a body can copy in twice
		x.due.mayIgnore()
		x.pass(size)
	default:
		x.pass(size)
	}
	return true
}

// pass forwards a message, unless it answers something of weir's own.
func (x *exchange) pass(size int) {
	if a := x.due.first(); a != nil && a.hidden() {
		x.toClient.discard(size)
		return
	}
	x.toClient.keep(size)
}

// acknowledged handles the answers to Parse, Bind, Close and Describe.
func (x *exchange) acknowledged(typ byte, size int) {
	if typ == wire.CloseComplete && x.copy.asked {
		x.countedReadies()
	}
	a := x.due.first()
	if a == nil || a.ends() || a.kind == 'E' {
		x.pass(size) // RowDescription of a simple query
		return
	}
	if typ == wire.RowDescription || typ == wire.NoData {
		x.noteRows(a, typ, x.toClient.body(size))
	}
	if a.fate == swallowed {
		x.toClient.discard(size)
	} else {
		x.answering = true
		x.toClient.keep(size)
	}
	x.succeeded()
	x.fake()
	x.lift()
}

// completed handles the end of a statement.
func (x *exchange) completed(typ byte, size int) {
	a := x.due.first()
	ended := false
	if typ == wire.CommandComplete {
		x.copied()
		x.noticeTag(a, x.toClient.body(size))
		ended = a != nil && a.endsTransaction(x.toClient.body(size))
		if x.listen.undo.open && a != nil && !a.hidden() {
			x.carriedOut(a, x.toClient.body(size))
		}
	}
	x.pass(size)
	if a != nil {
		x.opens(a)
		a.added.ended()
		x.stray = x.stray && (a.kind != 'Q' || typ != wire.CommandComplete) // what ran was the unnamed portal
	}
	if a != nil && a.kind == 'E' {
		x.succeeded()
		next := x.due.first()
		ended = ended && next != nil && next.kind == 'S'
		x.fake()
		x.lift()
	}
	x.s.snapshot.ended = ended
}

// Tags of statements after which something is gone that weir keeps account of.
var (
	tagDeallocate    = []byte("DEALLOCATE\x00")
	tagDeallocateAll = []byte("DEALLOCATE ALL\x00")
	tagDiscardAll    = []byte("DISCARD ALL\x00")
	tagDiscardSeqs   = []byte("DISCARD SEQUENCES\x00")
)

// Tags of the ends of transactions. That of ROLLBACK is also the answer to ROLLBACK TO
// SAVEPOINT, and to COMMIT of a block that has failed.
var (
	tagCommit   = []byte("COMMIT\x00")
	tagRollback = []byte("ROLLBACK\x00")
)

// noticeTag takes in that statements were deallocated, or more was discarded.
func (x *exchange) noticeTag(a *answer, tag []byte) {
	if len(tag) == 0 || tag[0] != 'D' {
		return
	}
	switch {
	case bytes.Equal(tag, tagDiscardAll):
		x.unpin(^reasons(0), a)
		x.changes.touched, x.up.mixed = false, false
		x.changes.long, x.changes.unlearned = nil, false
		x.s.unlistenAll()
		x.discarded = a != nil && a.kind == 'E'
		if a != nil && !a.own() {
			x.changes.told, x.changes.undoes, x.changes.stated = maps.Clone(x.up.Params), true, true
		}
		x.up.settings = noSettings
		x.up.unrelieve()
		x.s.changeSettings(x.s.start)
		fallthrough
	case bytes.Equal(tag, tagDeallocateAll):
		if a == nil || a.kind != internal { // else see clearNames
			x.s.forgetAll()
			x.forgetPrepared(a, "", true)
		}
		x.up.Prepared.Clear()
	case bytes.Equal(tag, tagDiscardSeqs):
		x.unpin(sequences, a)
		x.up.mixed = false
	case a != nil && bytes.Equal(tag, tagDeallocate):
		x.deallocated(a)
	}
}

// errUnasked is why an upstream that answers what nobody asked is given up.
var errUnasked = errors.New("it sent ReadyForQuery without being asked")

// ready handles ReadyForQuery.
func (x *exchange) ready(size int) {
	p := &x.toClient
	a := x.due.first()
	if a == nil {
		// The next client would take it for the answer to its own request.
		x.upstreamLost(errUnasked)
		return
	}
	if x.countReady(size) {
		return
	}
	x.status = p.body(size)[0]
	if a.kind == ahead {
		x.endAhead()
	} else {
		x.opened = false
	}
	if x.notes != nil && !a.own() {
		x.tellNotes()
	}
	if (x.changes.told != nil || x.changes.reports != nil) && !a.own() {
		x.report()
	}
	if x.listen.undo.open && !a.own() {
		x.endUnlisten(x.status == wire.Idle)
	}
	switch {
	case x.hurt != nil || a.own():
		p.discard(size)
	case x.withholds(a):
		x.listen.owes = true
		p.discard(size)
	default:
		x.announce(x.status)
		p.keep(size)
	}
	x.answering, x.changes.undoes = false, false
	asked := !a.own() // by the client; pop ends a
	x.leftBehind(a.pins)
	switch a.kind {
	case 'Q':
		x.s.confirmUnnamed(nil)
	case 'S':
		x.s.over = a.span + 1
	}
	x.due.pop()
	if x.hurt == nil {
		x.healed = false
	}
	if x.status == wire.Idle {
		x.settle()
	}
	if asked {
		x.s.settleGuesses()
		x.s.snapshot.answered(x.status, x.due.groups())
		x.remains.told = x.remains.left
		x.observeQuery()
		if !x.due.empty() {
			x.toUp.spoil() // of what was sent together, this has happened
		}
		if x.hurt == nil { // else it will be asked again
			x.s.tries, x.s.losses, x.s.doubt, x.belted = 0, 0, nil, false
		}
	}
	x.defined()
	if x.due.empty() {
		x.synced = true
		x.rereads = false
		x.stakes.settle(x.status)
		x.redefined()
		if x.status == wire.Idle {
			x.altered, x.varied = false, false
			if !x.changes.touched {
				x.changes.defaults = nil
			}
		}
		if x.aims != nil && x.status == wire.Idle && x.hurt == nil {
			x.unaim("")
		}
		if x.vacated != nil && x.status == wire.Idle {
			x.occupy()
		}
		x.copying, x.copy = false, copyIn{}
		if x.status == wire.Idle {
			clear(x.portals)
		}
	}
	x.lift()
}

// lift lets the client's next messages go on where what they waited for has
// come. The group they belong to may have begun, and is not answered before its
// Sync: it is not waited for at the fence.
func (x *exchange) lift() {
	if x.due.empty() {
		x.barrier = false
	}
	if x.due.groups() == 0 {
		x.fence = false
	}
}

// parameter handles ParameterStatus: the upstream has changed, and where the
// client caused it the client's settings have too.
func (x *exchange) parameter(size int) {
	name, value, err := wire.ReadParameterStatus(x.toClient.body(size))
	if err != nil {
		x.pass(size)
		return
	}
	n, v := string(name), string(value)
	before := x.up.Params[n]
	x.up.Params[n] = v
	if rereads(n) {
		x.up.noteQuoting()
	}
	a := x.due.first()
	if !x.changes.undoes && (a == nil || a.kind != internal && a.kind != ahead) {
		x.follow(n, v, before)
	}
	if x.changes.told != nil {
		x.toClient.discard(size) // see report
		return
	}
	x.changes.stated = x.changes.stated && a != nil && a.hidden()
	x.pass(size)
}

// report reports at the end of a group in which DISCARD ALL has run what is not as the
// client knows it. What the upstream reports is what it started with itself, where the
// client gets back what it asked for at login, maybe later.
func (x *exchange) report() {
	x.saveReports(x.up)
	x.toClient.insert(func(out []byte) []byte { return append(out, x.changes.reports...) })
	x.changes.reports = nil
}

// saveReports writes down what report will say.
func (x *exchange) saveReports(up *Upstream) {
	unlike := x.changes.told
	for name, known := range unlike {
		value, ok := x.s.settings.get(strings.ToLower(name))
		if !ok {
			value = up.Params[name]
		}
		if unlike[name] = value; value == known {
			delete(unlike, name)
		}
	}
	x.changes.told, x.changes.reports = nil, wire.AppendParameters(x.changes.reports, unlike)
}

// failure handles ErrorResponse.
func (x *exchange) failure(size int) {
	p := &x.toClient
	body := p.body(size)
	a := x.due.real()
	code := sqlstate.Code(wire.Field(body, wire.FieldCode))
	x.nameForeign(code, body)
	x.refusedGuarded(code, body)
	if a != nil && a.unnamed && unreadable(code) {
		x.keepUnnamed(a)
	}
	if a != nil && a.st != nil && planChanged(code, body) {
		// The client may answer by preparing the text again.
		x.s.env.dictionary.retire(a.st)
		x.found.changed = true
	}
	if x.onStandby(code) && !x.wrote(code) {
		x.pool().leaveStandby(x.up.Address())
	}
	switch {
	case x.endsConnection(body):
		// What it means depends on what was in progress: see upstreamLost.
		x.fatal = append([]byte(nil), body...)
		p.discard(size)
		return
	case a == nil:
		p.keep(size)
		return
	case a.kind == ahead:
		x.refusedAhead(body)
		return
	case a.kind == internal:
		x.found.complaint = serverError(body)
		p.discard(size)
		return
	case x.opening():
		x.abandon(serverError(body))
		return
	case x.wrote(code):
		a.fate, a.err = replaced, x.s.doubt.err
		x.tell(a, body, size)
	case x.wounded(a, code, body):
		p.discard(size)
	default:
		a.leftNothing(code, body)
		x.fake()
		x.tell(a, body, size)
	}
	if a.kind == 'E' && a.fate == swallowed && x.s.pinned()&unfollowed == 0 {
		x.up.settings = unknownSettings // restore has failed; what cannot follow is not touched, all was rolled back
	}
	x.listen.undo.failed = true
	x.suspect(code)
	if a.kind != 'E' {
		x.misguessed(a.st, code)
	}
	x.pool().stats.Errors.Add(string(code))
	kind := a.kind
	x.failed()
	x.lift()
	x.copyFailed(kind, code)
	x.fake()
}

// tell gives the client the error that answers a, unless weir asked itself.
func (x *exchange) tell(a *answer, body []byte, size int) {
	p := &x.toClient
	switch {
	case a.kind == 'D' && a.fate == swallowed && x.checks.columns == nil || a.kind == 'P' && x.due.asksItself():
		x.found.complaint, x.found.routine = serverError(body), string(wire.Field(body, fieldRoutine))
		p.discard(size)
	case a.fate == replaced:
		err := a.err
		p.discard(size)
		p.insert(func(out []byte) []byte { return wire.AppendError(out, err) })
	case a.st != nil && p.whole(size):
		x.translate(a, body, size)
	case a.added != nil:
		x.movePosition(a.added, body, size)
	default:
		p.keep(size)
	}
}

// translate forwards the error that answers a, in which a statement is named as
// the upstream knows it, with the client's own name: that it does not exist, exists
// already, or needs other parameters.
func (x *exchange) translate(a *answer, body []byte, size int) {
	theirs := []byte(`"` + a.st.Name + `"`)
	name, ok := a.name, a.name != ""
	switch {
	case a.st.Name == taken.Name:
		name, ok = a.st.targetName, true
	case !ok:
		name, ok = x.s.nameOf(a.st)
	}
	if !ok || !bytes.Contains(body, theirs) {
		x.toClient.keep(size)
		return
	}
	changed := bytes.ReplaceAll(body, theirs, []byte(`"`+spelled(name)+`"`))
	x.toClient.replace(size, size, func(out []byte) []byte {
		out = wire.AppendHeader(out, wire.ErrorResponse, wire.HeaderSize+len(changed))
		return append(out, changed...)
	})
}

// isLastWarning reports whether a notice is what a backend says before it goes in
// a hurry: to be short, it does not say it as an error (PostgreSQL: quickdie).
func isLastWarning(body []byte) bool {
	code := sqlstate.Code(wire.Field(body, wire.FieldCode))
	return code == sqlstate.AdminShutdown || code == crashShutdown
}

// crashShutdown: another backend has crashed, and all restart.
const crashShutdown sqlstate.Code = "57P02"

// endsConnection reports whether an error is the last thing the server says.
func (x *exchange) endsConnection(body []byte) bool {
	severity := wire.Field(body, 'V')
	if severity == nil {
		severity = wire.Field(body, wire.FieldSeverity)
	}
	return string(severity) == "FATAL" || string(severity) == "PANIC"
}

// serverError is an ErrorResponse as a Go error.
func serverError(body []byte) *sqlstate.Error {
	return &sqlstate.Error{
		Code:    sqlstate.Code(wire.Field(body, wire.FieldCode)),
		Message: string(wire.Field(body, wire.FieldMessage)),
		Detail:  string(wire.Field(body, 'D')),
		Hint:    string(wire.Field(body, 'H')),
	}
}
