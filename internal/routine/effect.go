// SPDX-License-Identifier: Apache-2.0

// Package routine tells what functions, procedures, DO blocks and the objects that
// call them may leave behind in a session, from their bodies.
//
// A body is code that weir does not run. It is read as a list of names and strings:
// what is certain to leave nothing is known by what it does not mention, and what is
// put together when it runs, by whether all of its parts can be seen. Everything
// else is unknowable, and says so.
package routine

import "slices"

// Leaves is a set of what may be left behind, or be done.
type Leaves uint16

const (
	// Sets: settings, for longer than the transaction; role and
	// session_authorization too.
	Sets Leaves = 1 << iota
	// Computed: a setting whose name is not written out.
	Computed
	// Objects: what PostgreSQL can be asked for comes or goes: session locks, what
	// is in the temporary schema, cursors, prepared statements, channels.
	Objects
	// Creates: makes relations, types or routines, which are temporary where the
	// search_path says so.
	Creates
	// Sequences: currval or lastval, whose answer is the session's own.
	Sequences
	// Loads: LOAD.
	Loads
	// Keeps: other state in the session for which nobody can be asked: random's
	// seed, dblink's connections, whatever a library in C does.
	Keeps
	// Unknowable: it runs what it puts together, and not all parts can be seen.
	Unknowable
	// Anything: it reads or writes relations whose names it is given.
	Anything
	// Notifies: NOTIFY, pg_notify.
	Notifies
	// Defines: makes, changes or drops anything that has a name, or does what else calls
	// event triggers.
	Defines
	// Executes: a statement that somebody has prepared by SQL.
	Executes
	// Locals: settings for the transaction, or as long as it runs, such as a
	// search_path with the temporary schema in it.
	Locals
	// Texts: nothing is left, but the text is read of the statement that runs, with its
	// comments.
	Texts
	// Outside: what no rollback undoes, such as a message in the WAL, a file, or what
	// another server is asked to do.
	Outside
)

// Effect is what running a piece of code may leave behind.
type Effect struct {
	Leaves   Leaves
	Settings []string // those whose names are written out, in lower case
	// Statements are the names of prepared ones that it runs, makes or removes.
	Statements []string
	// Resets are the settings that it gives their defaults, or "all", and Nulls those to
	// which a value may do so that is not written out. For the transaction only, they
	// have ForTransaction in front.
	Resets, Nulls []string
}

// ForTransaction is in front of the names of settings that are given their defaults for
// the transaction.
const ForTransaction = "local "

// Empty reports whether nothing is left.
func (e Effect) Empty() bool { return e.Leaves == 0 }

// With returns what is left by one or the other.
func (e Effect) With(other Effect) Effect {
	e.Leaves |= other.Leaves
	e.Settings = union(e.Settings, other.Settings)
	e.Statements = union(e.Statements, other.Statements)
	e.Resets, e.Nulls = union(e.Resets, other.Resets), union(e.Nulls, other.Nulls)
	return e
}

// union returns a list with what is only in another one.
func union(list, other []string) []string {
	for _, name := range other {
		if !slices.Contains(list, name) {
			list = append(slices.Clip(list), name)
		}
	}
	return list
}

// equal reports whether two effects are the same, of which one has all of the other.
func (e Effect) equal(other Effect) bool {
	return e.Leaves == other.Leaves && len(e.Settings) == len(other.Settings) && len(e.Statements) == len(other.Statements) &&
		len(e.Resets) == len(other.Resets) && len(e.Nulls) == len(other.Nulls)
}
