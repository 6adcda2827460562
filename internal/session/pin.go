// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// leaves notes what a statement that is sent may leave behind.
func (x *exchange) leaves(e effect) {
	x.asking |= e.kinds
	x.redefines = x.redefines || e.kinds&redefining != 0
	x.sets = x.sets || e.sets
	x.touched = x.touched || e.touches
	x.hidden = append(x.hidden, e.hidden...)
	if e.vacates != nil {
		x.vacate(e.vacates)
	}
	if e.pin != "" && (x.pin == "" || x.pin == unknownStatement) {
		x.pin = e.pin
	}
}

// keep pins the client for what the statements that have ended may have left.
func (x *exchange) keep() {
	if x.pin != "" && x.s.pin == "" {
		x.s.pin = x.pin
		x.s.env.log.Info("a client keeps its connection to PostgreSQL until it leaves or sends DISCARD ALL", "because", x.pin, "client", x.s.describe())
	}
	x.pin = ""
}

// leftNothing takes in that a statement failed. Locks and the like outlive a
// rollback, but what PostgreSQL did not understand has done nothing.
func (x *exchange) leftNothing() {
	if x.pin == unknownStatement {
		x.pin = ""
	}
}

// redefining are the kinds that may change what other statements return.
const redefining = 1<<sqltext.DDL | 1<<sqltext.CreateRoutine | 1<<sqltext.Do | 1<<sqltext.Call | 1<<sqltext.Unknown

// redefined notes, at the end of a transaction, that it may have changed the
// schema. Not before: until then, others still prepare by the old one.
func (x *exchange) redefined() {
	if x.redefines && x.status == wire.Idle {
		x.redefines = false
		x.s.env.dictionary.schema.Add(1)
	}
}

// keeps reports whether the client has its upstream until it leaves.
func (x *exchange) keeps() bool { return x.s.pin != "" || x.pool().sessionMode() }
