// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"strings"

	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// Two errors come from sharing prepared statements rather than from what the
// client asked, and are healed unseen where that is safe:
//
//   - 0A000 "cached plan must not change result type": after a change of the
//     schema, a statement that was prepared before it gives other columns. The
//     client must not get them where it still expects the old ones, so this is
//     healed only if the columns are the ones it last saw, or if it asks in the
//     same group what they are.
//   - 26000 that names a statement which the client has: somebody removed it from the
//     upstream behind weir's back.
//
// Both outside a transaction block only, where nothing has happened yet, while
// no other group is under way, and while the whole group is still in the buffer
// to be sent again.

// injury is an error that may be healed.
type injury struct {
	st   *statement
	name string // the client's for it, where it is only this name's: it has not used it yet
	code sqlstate.Code
	body []byte // of the ErrorResponse, in case it cannot be healed

	undone bool // PostgreSQL has undone the whole of it, see retry.go
}

// wounded takes in an error that may be healed, and need not be told then.
func (x *exchange) wounded(a *answer, code sqlstate.Code, body []byte) bool {
	switch {
	case x.healable(a, code, body):
		x.hurt = &injury{st: a.st, code: code}
		if a.first {
			x.hurt.name = a.name
		}
	case x.conflicts(code), x.resents(code):
		x.hurt = &injury{code: code, undone: true}
	default:
		return false
	}
	x.hurt.body = bytes.Clone(body)
	return true
}

// cachedPlanChanged is the code, and the routine, of PostgreSQL's complaint that a
// statement gives other columns now (plancache.c).
const (
	cachedPlanChanged        = sqlstate.FeatureNotSupported
	cachedPlanRoutine        = "RevalidateCachedQuery"
	fieldRoutine      byte   = 'R'
	noRows            uint64 = 1 // in place of a hash: the statement returns none
)

// healable reports whether the error that answers a may be healed.
func (x *exchange) healable(a *answer, code sqlstate.Code, body []byte) bool {
	if !planChanged(code, body) && code != sqlstate.InvalidStatementName {
		return false
	}
	if a.st == nil || !planChanged(code, body) && !bytes.Contains(wire.Field(body, wire.FieldMessage), []byte(a.st.Name)) {
		return false // it is about another statement, which this one executes
	}
	return a.name != "" && (a.kind == 'B' || a.kind == 'D') &&
		!x.healed && !x.inBlock() && !x.answering &&
		x.due.groups() == 1 && x.due.list[len(x.due.list)-1].kind == 'S' &&
		x.toUp.replayable()
}

// halfDescribed reports whether the parameters of a statement, which have come, are
// followed by an error that is healed. PostgreSQL finds out about the columns after
// it has told them, and sends both together (exec_describe_statement_message).
func (x *exchange) halfDescribed(size int) bool {
	p, a := &x.toClient, x.due.real()
	if a == nil || a.kind != 'D' || !p.whole(size) {
		return false
	}
	rest := p.buf[p.seen+size : p.fill]
	typ, n, ok, err := wire.Header(rest)
	if err != nil || !ok || typ != wire.ErrorResponse || n > len(rest) {
		return false
	}
	body := rest[wire.HeaderSize:n]
	return x.healable(a, sqlstate.Code(wire.Field(body, wire.FieldCode)), body)
}

// planChanged reports whether an error says that a statement gives other
// columns now.
func planChanged(code sqlstate.Code, body []byte) bool {
	return code == cachedPlanChanged && string(wire.Field(body, fieldRoutine)) == cachedPlanRoutine
}

// suspect takes in that a bound statement failed in a way that a change of the
// schema explains: its parameters may have other types now than when it was
// prepared. A driver then closes it and prepares the same text again, and must
// not be given the old one.
func (x *exchange) suspect(code sqlstate.Code) {
	if x.bound != nil && (strings.HasPrefix(string(code), "42") || strings.HasPrefix(string(code), "22P0")) {
		x.s.env.dictionary.retire(x.bound)
	}
}

// mend heals what is hurt, once the upstream has ended the group, or gives the
// client the error after all.
func (x *exchange) mend() {
	hurt := x.hurt
	x.hurt = nil
	if hurt.undone && x.status == wire.Idle && x.repeatable() {
		x.synced = true // and the upstream serves others in the meantime
		x.startOver(observe.Conflict, errUndone)
		return
	}
	fit := !hurt.undone && x.status == wire.Idle && x.renew(hurt)
	x.healed = true // once in a group
	if x.up == nil || fit && x.toUp.replay() {
		return // it was lost meanwhile, and answered, or the group goes again
	}
	status := x.status
	x.toClient.insert(func(out []byte) []byte {
		out = wire.AppendHeader(out, wire.ErrorResponse, wire.HeaderSize+len(hurt.body))
		out = append(out, hurt.body...)
		return wire.AppendReady(out, status)
	})
}

// renew makes the upstream fit for the group to be sent again.
func (x *exchange) renew(hurt *injury) bool {
	if hurt.code == sqlstate.InvalidStatementName {
		x.up.Prepared.Remove(&hurt.st.Statement)
		return true
	}
	// The old statement is retired: whoever prepares the text from now on gets
	// one with the new columns. Those who have the old one keep it, so that
	// PostgreSQL tells them.
	d := x.s.env.dictionary
	fresh := x.fresh(hurt.st)
	defer d.release(fresh)
	if p := x.s.named[hurt.name]; p != nil && p.statement == hurt.st {
		d.hold(fresh)
		d.release(hurt.st)
		p.statement = fresh
		return true
	}
	told := x.toUp.takesDescribe()
	if !told && !x.sameRows(hurt.st, fresh) {
		return false
	}
	for _, p := range x.s.named {
		if p.statement == hurt.st {
			d.hold(fresh)
			d.release(hurt.st)
			p.statement = fresh
			if told {
				p.untold()
			}
		}
	}
	return true
}

// fresh returns a statement in place of one that was retired, charged to the client.
func (x *exchange) fresh(st *statement) *statement {
	if st.alone {
		return x.s.env.dictionary.copyOf(st)
	}
	return x.intern([]byte(st.Text), []byte(st.OIDs), st.meaning, st.quoting)
}

// sameRows asks the upstream what fresh returns, and compares it with what the
// client last saw of st.
func (x *exchange) sameRows(st, fresh *statement) bool {
	saw := uint64(0)
	for _, p := range x.s.named {
		if p.statement == st {
			saw = p.rows
		}
	}
	if saw == 0 {
		return false
	}
	x.found.complaint, x.found.columns = nil, 0
	x.synced = false
	x.ensure(fresh)
	x.due.push(answer{kind: 'D', fate: swallowed, st: fresh})
	x.pushSync(answer{kind: 'S', fate: swallowed})
	x.toUp.insert(func(out []byte) []byte {
		out = wire.AppendTarget(out, wire.Describe, wire.Statement, fresh.Name)
		return wire.AppendEmpty(out, wire.Sync)
	})
	over := x.limit(x.pool().config().ConnectTimeout)
	x.settleDue()
	over()
	return x.up != nil && x.found.complaint == nil && x.found.columns == saw
}

// noteRows remembers what a client, or weir itself, was told of a statement's
// columns.
func (x *exchange) noteRows(a *answer, typ byte, body []byte) {
	if a.kind != 'D' || a.st == nil {
		return
	}
	rows := noRows
	if typ == wire.RowDescription {
		rows = x.columnsIn(body)
	}
	if a.fate == swallowed {
		x.found.columns = rows
	} else if a.name == "" {
		x.s.described = described{a.st.Name, rows}
	} else if p := x.s.named[a.name]; p != nil {
		p.rows = rows
	}
}
