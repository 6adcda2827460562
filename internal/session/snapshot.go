// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// A Parse of a query takes the snapshot of its transaction (PostgreSQL:
// analyze_requires_snapshot in analyze.c). One that weir answers from memory does not.
// It shows only where something must come before the snapshot, such as the isolation
// level (variable.c). So in front of that the snapshot is taken after all.

const (
	// snapping are the kinds of statements whose Parse takes a snapshot.
	snapping = undoable | 1<<sqltext.Declare | 1<<sqltext.DeclareWithHold | 1<<sqltext.Explain | 1<<sqltext.ExplainAnalyze

	// beforehand are the kinds of statements that may have to come before it. Others
	// take one themselves before they do what would have to (PlannedStmtRequiresSnapshot
	// in pquery.c).
	beforehand = 1<<sqltext.Begin | 1<<sqltext.SetTransaction | 1<<sqltext.Set | 1<<sqltext.SetLocal | 1<<sqltext.Unknown
)

// snaps reports whether a Parse of the statement takes a snapshot.
func (s *statement) snaps() bool { return snapping&(1<<s.kind) != 0 }

// snapsFaked reports whether a Parse that takes a snapshot is due that was not sent.
func (q *answers) snapsFaked() bool {
	for i := q.head; i < len(q.list); i++ {
		if a := &q.list[i]; a.kind == 'P' && a.fate == faked && a.st.snaps() {
			return true
		}
	}
	return false
}

// lacksSnapshot reports whether a message with statements of these kinds may meet a
// transaction without the snapshot that it would have. Where that depends on groups
// that are not answered, it waits.
func (x *exchange) lacksSnapshot(kinds sqltext.Kinds) (lacks, wait bool) {
	if kinds&beforehand == 0 || !x.s.snapless && !x.due.snapsFaked() {
		return false, false
	}
	if x.due.groups() > 0 {
		x.fence = true
		return false, true
	}
	return x.status != wire.Failed, false
}

// takeSnapshot has the transaction take it in front of the next message.
func (x *exchange) takeSnapshot(query bool) {
	x.due.push(answer{kind: 'C', fate: swallowed, leads: query})
	x.due.push(answer{kind: 'P', fate: swallowed, leads: query})
	x.toUp.insert(func(out []byte) []byte {
		return wire.AppendParse(wire.AppendTarget(out, wire.Close, wire.Statement, parsedAside), parsedAside, "SELECT", noOIDs)
	})
}
