// SPDX-License-Identifier: Apache-2.0

package routine

import "strings"

// undone are how those of PostgreSQL's volatile functions are called, behind pg_, that
// do nothing which a rollback leaves, or which would do harm twice.
var undone = []string{
	"advisory_", "try_advisory_", "get_", "has_role", "trigger_depth", "notify", "sleep", "typeof", "backend_pid",
	"current_", "is_", "column_", "size_", "snapshot_", "visible_", "xact_", "table_is", "type_is", "function_is",
	"relation_size", "total_relation_size", "table_size", "indexes_size", "database_size",
}

// actsOutside reports whether a function of PostgreSQL's own may do what no rollback
// undoes, by its name: signals, messages in the WAL, files, replication slots, the
// statistics. Most have names with pg_; what is not known to be harmless counts.
func actsOutside(function string) bool {
	rest, own := strings.CutPrefix(function, "pg_")
	if !own {
		return function == "lo_export" || strings.HasPrefix(function, "binary_upgrade_")
	}
	for _, prefix := range undone {
		if strings.HasPrefix(rest, prefix) {
			return false
		}
	}
	return true
}

// OutsidePattern is a regular expression for the names of PostgreSQL's volatile
// functions that may do what no rollback undoes, and one for those that do not.
func OutsidePattern() (may, not string) {
	return "^(pg_|binary_upgrade_|lo_export$)", "^pg_(" + strings.Join(undone, "|") + ")"
}
