// SPDX-License-Identifier: Apache-2.0

package sqltext

// Kind is what a statement does, as far as it matters to who stands between a
// client and PostgreSQL.
type Kind uint8

const (
	// Unknown is a text that no version of PostgreSQL from 14 to 18 accepts, or
	// that this package cannot read for certain.
	Unknown Kind = iota
	// Empty has no statement, only blanks, comments and semicolons.
	Empty
	// Ordinary is any statement without a kind of its own, such as VACUUM or FETCH.
	Ordinary

	// Select is also VALUES and TABLE.
	Select
	Insert
	Update
	Delete
	Merge
	// With begins with WITH; its parts may write.
	With

	// Begin is also START TRANSACTION.
	Begin
	// Commit is also END. With AND CHAIN another transaction follows at once.
	Commit
	// Rollback is also ABORT. With AND CHAIN another transaction follows at once.
	Rollback
	// RollbackTo names the savepoint.
	RollbackTo
	// Savepoint names the savepoint.
	Savepoint
	// Release names the savepoint.
	Release
	PrepareTransaction
	CommitPrepared
	RollbackPrepared
	// SetTransaction is SET TRANSACTION, with LOCAL, SESSION or a snapshot or not.
	SetTransaction
	// SetCharacteristics is SET SESSION CHARACTERISTICS AS TRANSACTION.
	SetCharacteristics
	SetConstraints

	// Set names the setting, in lower case, as pg_settings spells it: SET TIME ZONE
	// is timezone, SET NAMES is client_encoding.
	Set
	// SetLocal is Set until the end of the transaction.
	SetLocal
	// Reset names the setting, as Set does.
	Reset
	ResetAll
	// Show names the setting, as Set does; it is all for SHOW ALL.
	Show

	DiscardAll
	// Discard is DISCARD of plans, sequences or temp, which is its name.
	Discard
	// Prepare names the statement.
	Prepare
	// Execute names the statement.
	Execute
	// Deallocate names the statement.
	Deallocate
	DeallocateAll

	// Declare names the cursor, which ends with its transaction.
	Declare
	// DeclareWithHold names the cursor, which outlives its transaction.
	DeclareWithHold
	// Close names the cursor.
	Close
	CloseAll

	// Listen names the channel.
	Listen
	// Unlisten names the channel.
	Unlisten
	UnlistenAll
	// Notify names the channel.
	Notify

	Load
	Lock
	Copy
	Call
	Do
	// Explain runs nothing.
	Explain
	// ExplainAnalyze runs the statement. EXPLAIN (ANALYZE off) is taken for it too.
	ExplainAnalyze

	// CreateTemp is CREATE of a temporary table, sequence or view by that word; one
	// that is made in pg_temp by name has only the flag [Temp].
	CreateTemp
	// CreateRoutine is CREATE FUNCTION and CREATE PROCEDURE.
	CreateRoutine
	// CreateDatabase names the database.
	CreateDatabase
	// AlterDatabase names the database.
	AlterDatabase
	// DropDatabase names the database.
	DropDatabase
	// DDL is every other statement that defines something.
	DDL

	kinds // how many there are
)

var names = [kinds]string{
	Unknown: "unknown", Empty: "empty", Ordinary: "ordinary",
	Select: "select", Insert: "insert", Update: "update", Delete: "delete",
	Merge: "merge", With: "with",
	Begin: "begin", Commit: "commit", Rollback: "rollback",
	RollbackTo: "rollback to", Savepoint: "savepoint", Release: "release",
	PrepareTransaction: "prepare transaction", CommitPrepared: "commit prepared",
	RollbackPrepared: "rollback prepared", SetTransaction: "set transaction",
	SetCharacteristics: "set session characteristics", SetConstraints: "set constraints",
	Set: "set", SetLocal: "set local", Reset: "reset", ResetAll: "reset all", Show: "show",
	DiscardAll: "discard all", Discard: "discard", Prepare: "prepare", Execute: "execute",
	Deallocate: "deallocate", DeallocateAll: "deallocate all",
	Declare: "declare", DeclareWithHold: "declare with hold", Close: "close", CloseAll: "close all",
	Listen: "listen", Unlisten: "unlisten", UnlistenAll: "unlisten all", Notify: "notify",
	Load: "load", Lock: "lock", Copy: "copy", Call: "call", Do: "do",
	Explain: "explain", ExplainAnalyze: "explain analyze",
	CreateTemp: "create temp", CreateRoutine: "create routine", CreateDatabase: "create database",
	AlterDatabase: "alter database", DropDatabase: "drop database", DDL: "ddl",
}

// String returns the kind in lower case, as a log or a label shows it.
func (k Kind) String() string { return names[k] }

// Kinds is a set of kinds. The zero value is the empty set; | and & join and
// intersect.
type Kinds uint64

// Of returns the set of these kinds.
func Of(members ...Kind) Kinds {
	var set Kinds
	for _, k := range members {
		set |= 1 << k
	}
	return set
}

// Has reports whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }
