// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strings"
	"unique"

	"github.com/weir-pg/weir/internal/sqltext"
)

// A shared statement is parsed, planned and run under the settings in its key, and
// under no others. Constants are read when a text is parsed: '2024-07-01' by
// TimeZone, '1/2/2024' by DateStyle. The plan is made by the planner's settings
// when a statement first runs, with the calls of functions marked IMMUTABLE
// evaluated, by whoever runs it then; later nobody is asked whether they may call
// them. Both stay on the upstream for all who share the statement (PostgreSQL:
// plancache.c).
//
// So the key holds every setting that a client has set, but for those in
// meaningless. And where it is not certain what the settings are, or what a name
// in the text stands for, a client uses a statement of its own: see unsure.

// meaningless are the settings that neither parse analysis nor the input and
// output function of any type that PostgreSQL has reads, nor what is kept of a
// plan depends on. Everything else is in the key, a setting of an extension or one
// that a program has made up too: a function marked IMMUTABLE may read that, and
// its value is in the plan then. The files are PostgreSQL's.
var meaningless = map[string]bool{
	// Names and what is reported (guc_tables.c: REPORTING_AND_LOGGING, STATS):
	// read by elog.c, backend_status.c and pgstat, and by what counts.
	"application_name":                  true,
	"client_min_messages":               true,
	"debug_pretty_print":                true,
	"debug_print_parse":                 true,
	"debug_print_plan":                  true,
	"debug_print_rewritten":             true,
	"log_autovacuum_min_duration":       true,
	"log_duration":                      true,
	"log_error_verbosity":               true,
	"log_executor_stats":                true,
	"log_lock_waits":                    true,
	"log_min_duration_sample":           true,
	"log_min_duration_statement":        true,
	"log_min_error_statement":           true,
	"log_min_messages":                  true,
	"log_parameter_max_length":          true,
	"log_parser_stats":                  true,
	"log_planner_stats":                 true,
	"log_replication_commands":          true,
	"log_statement":                     true,
	"log_statement_sample_rate":         true,
	"log_statement_stats":               true,
	"log_temp_files":                    true,
	"log_transaction_sample_rate":       true,
	"track_activities":                  true,
	"track_counts":                      true,
	"track_io_timing":                   true,
	"track_wal_io_timing":               true,
	"log_parameter_max_length_on_error": true,

	// How long something may take: timers that postgres.c and proc.c start, and
	// the socket's options (pqcomm.c).
	"client_connection_check_interval":    true,
	"deadlock_timeout":                    true,
	"idle_in_transaction_session_timeout": true,
	"idle_session_timeout":                true,
	"lock_timeout":                        true,
	"statement_timeout":                   true,
	"tcp_keepalives_count":                true,
	"tcp_keepalives_idle":                 true,
	"tcp_keepalives_interval":             true,
	"tcp_user_timeout":                    true,
	"transaction_timeout":                 true,

	// How much a command that is no query may take, or how carefully it writes:
	// vacuum.c, nbtsort.c, xact.c, localbuf.c.
	"commit_delay":         true,
	"commit_siblings":      true,
	"maintenance_work_mem": true,
	"synchronous_commit":   true,
	"temp_buffers":         true,
	"temp_file_limit":      true,
	"vacuum_cost_delay":    true,
	"vacuum_cost_limit":    true,
	"wal_compression":      true,

	// How much a query may take before it goes to disk. The planner estimates
	// with it (costsize.c), but every plan is right with any value, and keeps to
	// the value that is in force when it runs.
	"work_mem": true,

	// What a transaction begins as (xact.c). The planner does not look at it:
	// since PostgreSQL 12 serializable transactions have parallel plans too.
	"default_transaction_deferrable": true,
	"default_transaction_isolation":  true,
	"default_transaction_read_only":  true,
}

// meaning returns the settings that are part of the key of a shared statement.
func (s Settings) meaning() string {
	if s == noSettings {
		return ""
	}
	var b strings.Builder
	for name, value := range s.each {
		if !meaningless[name] {
			b.WriteString(name)
			b.WriteByte(0)
			b.WriteString(value)
			b.WriteByte(0)
		}
	}
	// The same string for the same settings: comparing two is mostly comparing
	// where they are.
	return unique.Make(b.String()).Value()
}

// unaffected are the kinds of statements that mean the same under any settings: they
// name no object, hold no constant that a type reads, and have no plan.
const unaffected = 1<<sqltext.Empty | 1<<sqltext.Begin | 1<<sqltext.Commit | 1<<sqltext.Rollback |
	1<<sqltext.RollbackTo | 1<<sqltext.Savepoint | 1<<sqltext.Release | 1<<sqltext.PrepareTransaction |
	1<<sqltext.CommitPrepared | 1<<sqltext.RollbackPrepared | 1<<sqltext.SetTransaction |
	1<<sqltext.SetCharacteristics | 1<<sqltext.Set | 1<<sqltext.SetLocal | 1<<sqltext.Reset |
	1<<sqltext.ResetAll | 1<<sqltext.Show | 1<<sqltext.DiscardAll | 1<<sqltext.Discard |
	1<<sqltext.Deallocate | 1<<sqltext.DeallocateAll | 1<<sqltext.Close | 1<<sqltext.CloseAll |
	1<<sqltext.Listen | 1<<sqltext.Unlisten | 1<<sqltext.UnlistenAll | 1<<sqltext.Notify | 1<<sqltext.Load

// altering are the kinds of statements after which another may mean something
// else, in the same transaction already, beside those that change settings.
const altering = redefining | 1<<sqltext.CreateTemp | 1<<sqltext.Discard | 1<<sqltext.DiscardAll | 1<<sqltext.Load

// shadowing are the reasons to be pinned for which another statement may mean
// something else: what hides a table, or has changed what nobody can be asked for.
const shadowing = temps | parameters | loads | functions | unclear | opaque

// alters reports whether after a statement another may mean something else.
func (e *effect) alters() bool {
	return e.varies() || e.kinds&altering != 0 || e.into || e.pins&shadowing != 0
}

// varies reports whether a statement may change settings, be it only for the
// transaction.
func (e *effect) varies() bool {
	return e.sets || e.touches || e.locals || e.pins&(parameters|opaque) != 0
}

// unsure reports whether a text that the client sends now may mean something else
// than it does to others with the client's settings: something that is sent, or has
// happened in its transaction, or made on its upstream, may have changed a setting
// or what a name stands for. Then the client uses statements of its own.
func (x *exchange) unsure() bool {
	return x.altered || x.changes.touched || (x.s.pinned()|x.remains.left)&shadowing != 0
}

// ownIfUnsure returns the statement to be used in place of st, which the client
// calls by name: st itself where it is the client's own, or where the settings are
// those in its key.
func (x *exchange) ownIfUnsure(st *statement, p *prepared) *statement {
	if st == nil || st.alone || st.meaning == x.s.meaning && !x.unsure() || unaffected&(1<<st.kind) != 0 {
		return st
	}
	own := x.s.env.dictionary.copyOf(st)
	if p == nil {
		x.replaceUnnamed(st, own)
		return own
	}
	p.statement = own
	x.s.env.dictionary.release(st)
	return own
}

// replaceUnnamed has own stand for st, the unnamed statement, whose Parse may not be
// answered yet; the charge of own goes over to the client.
func (x *exchange) replaceUnnamed(st, own *statement) {
	for i := len(x.due.list) - 1; i >= x.due.head; i-- {
		if a := &x.due.list[i]; a.unnamed && a.fate == forwarded && a.st == st {
			a.st, x.s.unnamed = own, own
			x.s.env.dictionary.release(st)
			return
		}
	}
	x.s.setUnnamed(own)
}

// postponed are the kinds of statements that PostgreSQL analyses when they run, if at all,
// and not when they are prepared. Many may not share a transaction with anything, not even
// with weir's own commands in their group: VACUUM, COMMIT PREPARED, CREATE INDEX CONCURRENTLY
// (PostgreSQL: analyze.c, stmt_requires_parse_analysis; xact.c, PreventInTransactionBlock).
const postponed = unaffected | 1<<sqltext.Ordinary | 1<<sqltext.Prepare | 1<<sqltext.Execute | 1<<sqltext.SetConstraints |
	1<<sqltext.Lock | 1<<sqltext.Copy | 1<<sqltext.Do | 1<<sqltext.CreateRoutine | 1<<sqltext.CreateDatabase |
	1<<sqltext.AlterDatabase | 1<<sqltext.DropDatabase | 1<<sqltext.CreateTemp | 1<<sqltext.DDL

// postponed reports whether settings make no difference to it when it is prepared.
func (s *statement) postponed() bool { return postpones(1<<s.kind, s.Text) }

// postpones is that of a text. CREATE TABLE AS is analysed at once, with its query.
func postpones[T sqltext.Text](kinds sqltext.Kinds, text T) bool {
	if kinds&^postponed != 0 || hinges(sqltext.Scan(text).Flags) != 0 {
		return false
	}
	if kinds&(1<<sqltext.DDL|1<<sqltext.CreateTemp) == 0 {
		return true
	}
	words, ok := sqltext.Words(text)
	has := func(word string) bool { return slices.Contains(words, word) }
	return ok && (!has("as") || !has("table") && !has("materialized"))
}
