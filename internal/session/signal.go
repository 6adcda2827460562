// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// A client that gives pg_cancel_backend or pg_terminate_backend a process id of
// weir's means whatever serves that client now. So where the client holds an
// upstream, the id in the text or the parameter is replaced by that of its
// backend, in as many bytes. Whether the signal may be sent is then PostgreSQL's
// to decide. Of a client that holds none, or whose request has not begun there
// (see shield), PostgreSQL says, truly, that there is no such process. Who signals
// itself does so behind what went ahead of its request.
//
// The call comes later than the replacement, and may come late. Until the
// transaction of whoever calls has ended, the upstream is lent to nobody else,
// as while a cancel request is under way.

// aim is an upstream at which a signal may be on its way.
type aim struct {
	up  *Upstream
	why string // it cannot be used afterwards, "" where it can
}

// Why an upstream cannot be used after a signal.
const (
	terminated = "a client had its backend terminated"
	unsure     = "a client was lost while it was about to cancel what runs"
)

// aimAt takes aim at the upstream that the client with the given process id
// holds, on the server where this one calls. It returns the backend's process
// id, 0 where there is no such upstream.
func (x *exchange) aimAt(t sqltext.Target, id uint32) uint32 {
	e := x.s.env
	e.mu.Lock()
	s, r := e.sessions[id], e.relays[id]
	e.mu.Unlock()
	if r != nil && r.up.Address == x.up.Address() {
		return r.up.PID
	}
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up == nil || s.shielded && s != x.s || s.up.Address() != x.up.Address() || s.up.PID() == 0 {
		return 0
	}
	a := aim{up: s.up}
	if t.Terminate {
		a.why = terminated
	}
	a.up.cancels.Add(1)
	x.aims = append(x.aims, a)
	x.toUp.spoil()
	return a.up.PID()
}

// unaim notes that no call can come any more, or, with a reason, that nobody
// knows.
func (x *exchange) unaim(why string) {
	for _, a := range x.aims {
		if a.why == "" {
			a.why = why
		}
		a.up.cancelOver(a.why)
	}
	x.aims = nil
}

// endsItself reports whether the client is about to have its own backend
// terminated.
func (x *exchange) endsItself() bool {
	return slices.ContainsFunc(x.aims, func(a aim) bool { return a.up == x.up && a.why == terminated })
}

// aimText replaces the ids that a text has as literals. It reports whether there
// were any.
func (x *exchange) aimText(text []byte) (found bool) {
	targets, now := sqltext.Targets(text)
	for _, t := range targets {
		switch {
		case t.ID == 0 && t.Param == 0 && !t.Column, !now && t.ID >= firstPID:
			x.notes = append(x.notes, unseenTarget)
		case t.ID >= firstPID:
			if pid := x.aimAt(t, t.ID); pid != 0 {
				putDigits(text[t.Start:t.End], pid)
				found = true
			}
		}
	}
	return found
}

// signals reports whether a statement may signal backends.
func signals(st *statement) bool { return st != nil && st.effect.signals }

// aimBind replaces the ids that a statement is given: as parameters, in the Bind
// message of which rest is what follows the names, or as literals. Then it is
// prepared as the unnamed one with other literals, and that is returned, else
// nil.
func (x *exchange) aimBind(st *statement, rest []byte) *statement {
	if !signals(st) {
		return nil
	}
	targets, now := sqltext.Targets(st.Text)
	for _, t := range targets {
		if value, format, ok := wire.BindValue(rest, t.Param); ok && now {
			x.aimValue(t, value, format)
		}
	}
	text := []byte(st.Text)
	if !x.aimText(text) {
		return nil
	}
	other := x.s.env.dictionary.passing(text, []byte(st.OIDs), st.meaning, st.quoting)
	other.Name = ""
	x.up.Prepared.Unnamed = &other.Statement
	x.due.push(answer{kind: 'P', fate: swallowed, unnamed: true, st: other, pins: x.analyses(other)})
	x.toUp.insert(func(out []byte) []byte {
		return wire.AppendParse(out, "", text, []byte(st.OIDs))
	})
	return other
}

// aimValue replaces the id in a parameter's value: an integer of 4 or 8 bytes,
// or digits.
func (x *exchange) aimValue(t sqltext.Target, value []byte, format wire.Format) {
	id := readID(value, format)
	if id < firstPID {
		return
	}
	pid := x.aimAt(t, id)
	switch {
	case pid == 0:
	case format == wire.TextFormat:
		putDigits(value, pid)
	default:
		binary.BigEndian.PutUint32(value[len(value)-4:], pid) // the upper half of 8 bytes is 0
	}
}

// readID reads a process id, 0 where the value is none.
func readID(value []byte, format wire.Format) uint32 {
	switch {
	case format == wire.TextFormat:
		id, _ := strconv.ParseUint(string(value), 10, 32)
		return uint32(id)
	case len(value) == 4:
		return binary.BigEndian.Uint32(value)
	case len(value) == 8 && binary.BigEndian.Uint32(value) == 0:
		return binary.BigEndian.Uint32(value[4:])
	}
	return 0
}

// putDigits writes a process id over another's digits, with blanks in front,
// which PostgreSQL skips in texts and in values. An id of weir's has at least as
// many digits as a backend's.
func putDigits(at []byte, pid uint32) {
	digits := strconv.FormatUint(uint64(pid), 10)
	for i := range at {
		at[i] = ' '
	}
	copy(at[len(at)-len(digits):], digits)
}

// unseenTarget is what a client is told where weir does not see whom a call is
// about.
var unseenTarget = &sqlstate.Error{
	Severity: sqlstate.SeverityNotice,
	Code:     sqlstate.Successful,
	Message:  "weir does not see which process id this statement gives to pg_cancel_backend or pg_terminate_backend",
	Detail:   "A process id that weir gave to a client is found only as a literal or a parameter in a SELECT.",
}

// tellNotes gives the client what weir has to say about its statements.
func (x *exchange) tellNotes() {
	for _, note := range x.notes {
		x.toClient.insert(func(out []byte) []byte { return wire.AppendNotice(out, note) })
	}
	x.notes = nil
}
