// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// stakes is what the requests under way may have done when their upstream is
// lost. It is kept as they are sent, for all that was sent and not answered
// together: one that may have been committed is enough for an outcome that nobody
// knows, wherever in a text or a pipeline it stands.
type stakes struct {
	kinds  sqltext.Kinds // of their statements
	commit bool          // something that they do may have been committed
	ended  bool          // the block that was open may have ended: what follows stands alone
	bound  sqltext.Kinds // in the same block, of those that were answered: a portal may be executed later
}

const (
	// committing are the kinds that may commit the block in which they stand.
	// CALL and DO cannot (PostgreSQL: "invalid transaction termination").
	committing = 1<<sqltext.Commit | 1<<sqltext.PrepareTransaction | 1<<sqltext.Unknown

	// closing are those after which the block may have ended.
	closing = committing | 1<<sqltext.Rollback

	// quiet are those that do nothing that a commit would keep. A SELECT may call
	// something that does, and an EXPLAIN may have the planner call it.
	quiet = 1<<sqltext.Empty | 1<<sqltext.Show | 1<<sqltext.Begin | 1<<sqltext.SetTransaction | 1<<sqltext.Rollback

	// revocable are those that need the end of their transaction for what they
	// do to last. CALL and DO may have ended it, and others (VACUUM) do not wait.
	revocable = undoable | quiet
)

// atStake takes in the kinds of the statements of a text that is about to be sent.
func (x *exchange) atStake(k sqltext.Kinds) {
	s := &x.stakes
	s.kinds |= k
	if k&^(1<<sqltext.Begin|1<<sqltext.Show|1<<sqltext.Empty|1<<sqltext.Commit|1<<sqltext.Rollback) != 0 {
		x.s.snapshot.group |= byClient
	}
	if !s.ended && (x.inBlock() || len(x.s.opening) > 0) {
		// What stands in one text with a ROLLBACK may stand behind it.
		s.commit = s.commit || k&committing != 0 || k&(1<<sqltext.Rollback) != 0 && k&^quiet != 0
	} else {
		s.commit = s.commit || k&^quiet != 0
	}
	s.ended = s.ended || k&closing != 0
}

// executes takes in that a portal is executed. It may have been bound by an earlier
// request of the block, to a COMMIT for one.
func (x *exchange) executes() {
	if ends := x.stakes.bound & closing; ends != 0 {
		x.atStake(ends)
	}
}

// settle takes in that all requests were answered.
func (s *stakes) settle(status byte) {
	bound := s.bound | s.kinds
	if status == wire.Idle {
		bound = 0
	}
	*s = stakes{bound: bound}
}

// rolledBack reports whether PostgreSQL has certainly rolled back all that was
// done since the last transaction that the client knows to have ended.
func (x *exchange) rolledBack() bool {
	switch {
	case x.opening() && x.due.asksBehind():
		return false // if the BEGIN failed, the groups behind its own stood alone
	case x.inBlock():
		return !x.stakes.commit
	}
	// A group outside a block is a transaction, whose end is its Sync.
	return x.due.open && x.due.groups() == 0 && x.stakes.kinds&^revocable == 0
}

// changedNothing reports whether what is under way outside a block certainly has
// changed nothing, whether it was carried out or not.
func (x *exchange) changedNothing() bool {
	if !x.stakes.commit || x.s.doubt != nil && x.s.doubt.proven {
		return true
	}
	l, ok := x.lone()
	return ok && sqltext.IsConstant(l.text) && !l.hasOwnTypes()
}
