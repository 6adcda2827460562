// SPDX-License-Identifier: Apache-2.0

package session

import (
	"math/bits"
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
)

// reasons is a set of reasons why a client keeps its upstream: kinds of state
// that a session of PostgreSQL holds and that cannot follow a client to another.
type reasons uint16

const (
	locks      reasons = 1 << iota // session advisory locks
	temps                          // temporary tables and whatever else is in the temporary schema
	cursors                        // cursors WITH HOLD
	prepares                       // statements prepared by SQL; those of the protocol follow
	listens                        // channels
	sequences                      // what currval and lastval answer
	parameters                     // settings that cannot be told from the text
	loads                          // libraries
	functions                      // functions that keep state: dblink's connections, random's seed
	unclear                        // statements that sqltext cannot read
	unfollowed                     // settings that are too long to follow, or that PostgreSQL did not tell

	// opaque is no reason by itself: the text has a body that may have done
	// anything that PostgreSQL can be asked for.
	opaque
)

// reasonNames are how status, metrics, log and errors call each, in the order of
// the bits: what was written where that is one word, else what it made.
var reasonNames = [...]string{
	"pg_advisory_lock", "a temporary table", "a cursor WITH HOLD", "PREPARE", "LISTEN",
	"currval or lastval", "set_config of a name that is not written out", "LOAD", "a function that keeps state in the session",
	"a statement that weir does not understand", "a setting that is too long to follow, or could not be read",
}

const (
	// provable are the reasons that PostgreSQL's catalogs show, see probe.
	provable = locks | temps | cursors | prepares | listens

	// lasting are the reasons that DISCARD ALL does not undo (PostgreSQL:
	// DiscardAll in discard.c), or may not. Only closing the upstream does.
	lasting = loads | functions | unclear
)

// String lists the reasons, as in "pg_advisory_lock and LISTEN".
func (r reasons) String() string {
	var names []string
	for i, name := range reasonNames {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " and ")
}

// each returns the indexes of the reasons in the set, for reasonNames.
func (r reasons) each(yield func(int) bool) {
	for ; r != 0; r &= r - 1 {
		if !yield(bits.TrailingZeros16(uint16(r))) {
			return
		}
	}
}

// traces says what statements of some kinds, and texts with some flags, do to
// what a session holds.
type traces []struct {
	kinds   sqltext.Kinds
	flags   sqltext.Flags
	reasons reasons
}

var (
	// leaving is what they may leave behind.
	leaving = traces{
		{0, sqltext.AdvisoryLock, locks},
		{1 << sqltext.CreateTemp, sqltext.Temp, temps},
		{1 << sqltext.DeclareWithHold, 0, cursors},
		{1 << sqltext.Prepare, 0, prepares},
		{0, sqltext.Sequence, sequences},
		{1 << sqltext.Load, 0, loads},
		{0, sqltext.Session, functions},
		{1 << sqltext.Unknown, sqltext.Escaped, unclear},
		{1 << sqltext.Do, 0, opaque},
	}
	// removing is what they may take away. What is prepared can only call functions.
	removing = traces{
		{1 << sqltext.Execute, sqltext.AdvisoryUnlock | sqltext.Executes, locks},
		{1<<sqltext.DDL | 1<<sqltext.Discard, 0, temps},
		{1<<sqltext.Close | 1<<sqltext.CloseAll, 0, cursors},
		{1<<sqltext.Deallocate | 1<<sqltext.DeallocateAll, 0, prepares},
		{1<<sqltext.Unlisten | 1<<sqltext.UnlistenAll, 0, listens},
		{1<<sqltext.Do | 1<<sqltext.Unknown, sqltext.Escaped, provable},
	}
)

// of returns what a text does, by its summary.
func (t traces) of(sum sqltext.Summary) (r reasons) {
	for _, row := range t {
		if sum.Kinds&row.kinds != 0 || sum.Flags&row.flags != 0 {
			r |= row.reasons
		}
	}
	return r
}
