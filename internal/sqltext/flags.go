// SPDX-License-Identifier: Apache-2.0

package sqltext

import "bytes"

// Flags is what a text mentions anywhere, in any of its statements. A mention is
// enough: a column named currval sets the flag too. What happens inside a
// function's body, or in SQL that a function puts together, is not seen.
type Flags uint32

const (
	// AdvisoryLock: takes a lock that belongs to the session.
	AdvisoryLock Flags = 1 << iota
	// AdvisoryWait: AdvisoryLock that waits until it has the lock.
	AdvisoryWait
	// AdvisoryUnlock: gives one back.
	AdvisoryUnlock
	// SetConfig: set_config, or a statement that may write to pg_settings.
	SetConfig
	// Sequence: currval or lastval, whose answer is this session's own.
	Sequence
	// Temp: creates something temporary, or names the temporary schema.
	Temp
	// Signal: pg_cancel_backend or pg_terminate_backend.
	Signal
	// Notifies: pg_notify.
	Notifies
	// Session: a function that leaves other state in the session: setseed, dblink
	// connections, backups, replication origins and slots, pg_trgm's set_limit.
	Session
	// Runs: a function that runs a query which it is given as a text, or reads whatever
	// relation it is given the name of.
	Runs
	// Executes: EXECUTE of a prepared statement inside EXPLAIN or CREATE TABLE AS.
	Executes
	// Escaped: an identifier written as U&"…", which may stand for any name.
	Escaped
	// Backslash: a backslash in a string without E. See the package comment.
	Backslash
	// NonASCII: bytes above 127 where the client's encoding matters. See the package
	// comment.
	NonASCII
	// Unterminated: a comment, a string, a quoted identifier, a parenthesis or a
	// routine's body is never closed. PostgreSQL refuses the whole text.
	Unterminated
)

// watched tells the bytes that begin a word for which watch has an answer. Asking
// it first takes a tenth off the cost of a text.
var watched = func() (table [256]bool) {
	for _, c := range "cdelpqstxCDELPQSTX" {
		table[c] = true
	}
	return table
}()

// watch returns the flags of a word without quotes, which follows the token prev
// in a statement of that kind.
func (l *lexer) watch(t, prev token, kind Kind) Flags {
	switch l.text[t.start] | 0x20 {
	case 'e':
		if l.is(t, "execute") && l.executes(prev, kind) {
			return Executes
		}
	case 't':
		if (l.is(t, "temp") || l.is(t, "temporary")) && l.temporary(prev) {
			return Temp
		}
		return mention(l.text[t.start:t.end], kind)
	default:
		return mention(l.text[t.start:t.end], kind)
	}
	return 0
}

// mention returns the flags of a name. The functions are those whose effect
// outlives the transaction they are called in.
func mention(name string, kind Kind) Flags {
	if !candidate(name) {
		return 0
	}
	var buf keyword
	word := buf.fold(name)
	switch string(word) {
	case "pg_advisory_lock", "pg_advisory_lock_shared":
		return AdvisoryLock | AdvisoryWait
	case "pg_try_advisory_lock", "pg_try_advisory_lock_shared":
		return AdvisoryLock
	case "pg_advisory_unlock", "pg_advisory_unlock_shared", "pg_advisory_unlock_all":
		return AdvisoryUnlock
	case "set_config":
		return SetConfig
	case "pg_settings":
		// UPDATE pg_settings is a spelling of SET. Most who read it are only looking.
		if kind != Select && kind != Explain {
			return SetConfig
		}
	case "currval", "lastval":
		return Sequence
	case "pg_cancel_backend", "pg_terminate_backend":
		return Signal
	case "pg_notify":
		return Notifies
	case "setseed", "set_limit", "dblink_connect", "dblink_connect_u",
		"pg_start_backup", "pg_backup_start",
		"pg_replication_origin_session_setup", "pg_replication_origin_session_reset",
		"pg_create_physical_replication_slot", "pg_create_logical_replication_slot",
		"pg_copy_physical_replication_slot", "pg_copy_logical_replication_slot":
		return Session
	}
	if runs[string(word)] {
		return Runs
	}
	if bytes.HasPrefix(word, []byte("pg_temp")) {
		return Temp
	}
	return 0
}

// runs are the functions of [Runs]: PostgreSQL's, and those of the extensions
// tablefunc and xml2.
var runs = map[string]bool{
	"query_to_xml": true, "query_to_xmlschema": true, "query_to_xml_and_xmlschema": true,
	"cursor_to_xml": true, "cursor_to_xmlschema": true,
	"table_to_xml": true, "table_to_xmlschema": true, "table_to_xml_and_xmlschema": true,
	"schema_to_xml": true, "schema_to_xmlschema": true, "schema_to_xml_and_xmlschema": true,
	"database_to_xml": true, "database_to_xmlschema": true, "database_to_xml_and_xmlschema": true,
	"ts_stat": true, "ts_rewrite": true, "connectby": true, "xpath_table": true,
	"crosstab": true, "crosstab2": true, "crosstab3": true, "crosstab4": true, "crosstabn": true,
}

// candidate reports whether mention may know the name. It is asked for every word
// and nearly always says no, at the cost of a look at the length and two letters.
func candidate(name string) bool {
	if len(name) < len("currval") {
		return false
	}
	switch name[0] | 0x20 {
	case 'p':
		return name[2] == '_'
	case 'l':
		return len(name) == len("currval")
	case 'c':
		return len(name) == len("currval") || len(name) >= len("crosstab") && name[1]|0x20 != 'u' || name[len(name)-1]|0x20 == 'l' || name[len(name)-1]|0x20 == 'a'
	case 'q', 'x':
		return len(name) >= len("xpath_table")
	case 't':
		return name[2] == '_' || name[len(name)-1]|0x20 == 'l' || name[len(name)-1]|0x20 == 'a'
	case 's':
		return len(name) >= len("schema_to_xml") || len(name) == len("setseed") || len(name) == len("set_limit") || len(name) == len("set_config")
	case 'd':
		return len(name) >= len("dblink_connect")
	}
	return false
}

// executes reports whether EXECUTE after prev runs a prepared statement. After
// other words it is a privilege or part of CREATE TRIGGER.
func (l *lexer) executes(prev token, kind Kind) bool {
	return kind == Explain || kind == ExplainAnalyze || l.is(prev, "as")
}

// temporary reports whether TEMP after prev makes something temporary: it does in
// CREATE and in SELECT INTO. After other words it is the name of a column.
func (l *lexer) temporary(prev token) bool {
	return l.is(prev, "create") || l.is(prev, "replace") || l.is(prev, "into") ||
		l.is(prev, "local") || l.is(prev, "global")
}
