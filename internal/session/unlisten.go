// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// The upstream that runs a client's UNLISTEN does not listen to what the hub
// has, so what PostgreSQL would do with it is worked out here: it takes effect
// at COMMIT, unless it was rolled back, to a savepoint too (async.c,
// AtSubAbort_Notify). Only clients that listen are followed.

// journal is the UNLISTENs and savepoints of a transaction, in order.
type journal struct {
	open   bool   // an UNLISTEN was sent in the transaction
	failed bool   // the present group has had an error
	steps  []step // that were carried out, since the last commit
}

// step is a statement that matters to the journal.
type step struct {
	kind sqltext.Kind
	name string
}

const (
	unlistens = 1<<sqltext.Unlisten | 1<<sqltext.UnlistenAll

	// journaled are the kinds that matter once there is an UNLISTEN.
	journaled = unlistens | 1<<sqltext.Savepoint | 1<<sqltext.Release | 1<<sqltext.RollbackTo |
		1<<sqltext.Commit | 1<<sqltext.Rollback
)

// quietening are the kinds after which a client may not listen any more.
const quietening = unlistens | 1<<sqltext.DiscardAll

// catchUp gives a client that is about to end its listening what was committed
// before: PostgreSQL has sent it by the time that it reads the request. Of what is
// committed while a transaction of the client's is open, PostgreSQL drops what
// that unlistens to.
func (x *exchange) catchUp(kinds sqltext.Kinds) {
	if x.s.ears == nil || kinds&quietening == 0 || x.s.blockStatus() != wire.Idle || x.toClient.pass > 0 || !x.between() && !x.onlyAhead() {
		return
	}
	x.settleHub()
	x.relate(x.s.ears)
}

// follows reports whether statements of these kinds have to be followed.
func (x *exchange) follows(kinds sqltext.Kinds) bool {
	if x.s.ears == nil || kinds&journaled == 0 {
		return false
	}
	j := &x.listen.undo
	if !j.open && kinds&unlistens != 0 {
		j.open, j.failed = true, false // what failed before is none of its business
	}
	return j.open
}

// stepsOf lists the statements of a text: each gets one CommandComplete.
func stepsOf(text []byte) (steps []step) {
	for at := 0; ; {
		st, next, ok := sqltext.Next(text, at)
		if !ok {
			return steps
		}
		steps = append(steps, step{st.Kind, strings.Clone(st.Name)})
		at = next
	}
}

// carriedOut takes in that a statement which is followed was carried out.
func (x *exchange) carriedOut(a *answer, tag []byte) {
	if a.kind == 'E' {
		if a.st != nil && journaled&(1<<a.st.kind) != 0 {
			x.enter(step{a.st.kind, sqltext.First(a.st.Text).Name}, tag)
		}
		return
	}
	if len(a.steps) > 0 {
		s := a.steps[0]
		a.steps = a.steps[1:]
		x.enter(s, tag)
	}
}

// enter enters a statement into the journal.
func (x *exchange) enter(s step, tag []byte) {
	j := &x.listen.undo
	switch s.kind {
	case sqltext.Unlisten, sqltext.UnlistenAll:
		j.steps = append(j.steps, s)
	case sqltext.Savepoint:
		if len(j.steps) > 0 { // an older one is before everything
			j.steps = append(j.steps, s)
		}
	case sqltext.RollbackTo:
		j.steps = j.steps[:j.savepoint(s.name)+1]
	case sqltext.Release:
		i := j.savepoint(s.name)
		kept := slices.DeleteFunc(j.steps[max(i, 0):], func(s step) bool { return s.kind == sqltext.Savepoint })
		j.steps = j.steps[:max(i, 0)+len(kept)]
	case sqltext.Rollback:
		j.steps = nil
	case sqltext.Commit:
		if bytes.Equal(tag, tagRollback) {
			j.steps = nil
		}
		x.commitUnlisten()
	default: // the rest of a text with an UNLISTEN in it
	}
}

// savepoint returns where the latest savepoint of that name is, -1 where it was
// set before the first UNLISTEN.
func (j *journal) savepoint(name string) int {
	for i, s := range slices.Backward(j.steps) {
		if s.kind == sqltext.Savepoint && s.name == name {
			return i
		}
	}
	return -1
}

// commitUnlisten carries out what is in the journal.
func (x *exchange) commitUnlisten() {
	j := &x.listen.undo
	for _, s := range j.steps {
		switch s.kind {
		case sqltext.Unlisten:
			x.s.unlisten(truncate(s.name))
		case sqltext.UnlistenAll:
			x.s.unlistenAll()
		default: // a savepoint
		}
	}
	j.steps = nil
}

// truncate shortens an identifier as PostgreSQL does (NAMEDATALEN), by whole
// characters of UTF-8.
func truncate(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "")
}

// endUnlisten takes in ReadyForQuery.
func (x *exchange) endUnlisten(idle bool) {
	j := &x.listen.undo
	if idle {
		if j.failed {
			j.steps = nil
		}
		x.commitUnlisten()
		j.open = !x.due.last() // of a group that was sent ahead
	}
	j.failed = false
}
