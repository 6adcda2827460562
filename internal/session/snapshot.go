// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// A Parse of a query takes the snapshot of its transaction (PostgreSQL:
// analyze_requires_snapshot in analyze.c). One that weir answers from memory does not.
// It shows only where something must come before the snapshot, such as the isolation
// level (variable.c). So in front of that the snapshot is taken after all.
//
// One that weir sends ahead, for a client that only describes a statement, takes the
// snapshot where PostgreSQL alone takes none. Nothing but the end of the transaction
// gives it back (snapmgr.c: FirstSnapshotSet). As long as the client has done nothing
// in it, it may end and begin anew.

const (
	// snapping are the kinds of statements whose Parse takes a snapshot.
	snapping = undoable | 1<<sqltext.Declare | 1<<sqltext.DeclareWithHold | 1<<sqltext.Explain | 1<<sqltext.ExplainAnalyze

	// beforehand are the kinds of statements that may have to come before it, LOCK for
	// what is seen behind it. Others take one themselves before they do what would have
	// to (PlannedStmtRequiresSnapshot in pquery.c).
	beforehand = 1<<sqltext.Begin | 1<<sqltext.SetTransaction | 1<<sqltext.Set | 1<<sqltext.SetLocal | 1<<sqltext.Lock | 1<<sqltext.Unknown

	// solitary are those of which some are refused where anything was executed in front of
	// them in their group (PreventInTransactionBlock in xact.c: XACT_FLAGS_PIPELINING).
	solitary = 1<<sqltext.Ordinary | 1<<sqltext.DDL | 1<<sqltext.CreateDatabase | 1<<sqltext.AlterDatabase | 1<<sqltext.DropDatabase |
		1<<sqltext.CommitPrepared | 1<<sqltext.RollbackPrepared | 1<<sqltext.DiscardAll | 1<<sqltext.Unknown
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

// snapshot is what has become of the snapshot of a client's transaction.
type snapshot struct {
	lacks        bool   // a Parse that would have taken it was answered from memory
	ended        bool   // what has ended the transaction came last in the group; behind it is another, if any
	group, block takers // in the group under way, and in the block before it
}

// takers are what may have taken it.
type takers uint8

const (
	byWeir   takers = 1 << iota // weir has asked or prepared something in front of what takes none
	byClient                    // the client may have, or may have done what has to last
	ran                         // weir has executed something
	bound                       // the client has a portal, which the end of the transaction would take away
	named                       // with a name, so that what comes next does not replace it
)

// sent takes in that the group under way is sent. What is not answered counts to the block.
func (s *snapshot) sent() { s.block, s.group = s.block|s.group, 0 }

// binds takes in that a portal is bound.
func (s *snapshot) binds(portal []byte) {
	s.group |= bound
	if len(portal) > 0 {
		s.group |= named
	}
}

// answered takes in the end of a group, behind which so many are not answered.
func (s *snapshot) answered(status byte, groups int) {
	chained := s.ended && status == wire.InTransaction && groups == 0
	s.ended = false
	if status == wire.Idle || chained {
		s.lacks = false
		if groups == 0 {
			s.block = 0
		}
	}
}

// mayReturn are the kinds of statements that may do ROLLBACK TO SAVEPOINT.
const mayReturn = 1<<sqltext.RollbackTo | 1<<sqltext.Execute | 1<<sqltext.Unknown

// endsTransaction reports whether a statement of the client's with that tag has certainly
// ended its transaction, AND CHAIN or not.
func (a *answer) endsTransaction(tag []byte) bool {
	if a.hidden() || a.returns || a.st != nil && mayReturn&(1<<a.st.kind) != 0 {
		return false
	}
	return bytes.Equal(tag, tagCommit) || bytes.Equal(tag, tagRollback)
}

// needOf returns what has to go in front of a message with statements of these kinds,
// for a transaction that does not have the snapshot that it would have without weir, or
// has one that it would not have. Where that depends on groups that are not answered,
// it waits. What is made anew must be as if it had only begun.
func (x *exchange) needOf(kinds sqltext.Kinds) (need string, wait bool) {
	s := &x.s.snapshot
	lacks, takers := s.lacks || x.due.snapsFaked(), s.block|s.group
	switch {
	case kinds&beforehand == 0 || !lacks && takers&byWeir == 0:
		return "", false
	case x.due.groups() > 0:
		x.fence = true
		return "", true
	case x.status == wire.Failed:
		return "", false
	case lacks:
		return "SELECT", false
	case takers&(byClient|named) != 0 || s.group&bound != 0 || x.belted:
		return "", false
	case x.inBlock():
		return "COMMIT AND CHAIN", false
	}
	return anew, false
}

// meetNeed sends that in front of a statement of that effect, nil for none. What may not
// share its transaction gets one that is new, if weir alone has executed something in it.
func (x *exchange) meetNeed(need string, e *effect, query bool) {
	s := &x.s.snapshot
	if need == "" && e != nil && e.kinds&solitary != 0 && s.group&(ran|bound) == ran && !x.inBlock() && x.due.groupsOfClient() == 0 {
		need = anew
	}
	if need == "" {
		return
	}
	x.barrier = x.barrier || query
	for sql := range strings.SplitSeq(need, ";") {
		x.runOwnAhead(sql, query)
	}
	s.group, s.block = s.group&^(byWeir|ran), s.block&^byWeir
}

// anew ends a group's transaction without the warning that COMMIT alone gives.
const anew = "BEGIN;COMMIT"
