// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strconv"
	"strings"

	"github.com/weir-pg/weir/internal/upstream"
)

// probes ask PostgreSQL for the reasons that it can tell, in the order of their
// bits. Names and operators are qualified, because the search_path is the
// client's; everybody may read these catalogs, whatever role is set.
//
// Locks of a transaction are gone when it is over, so those that are left are the
// session's. Everything in the temporary schema depends on that (PostgreSQL:
// RemoveTempRelations in namespace.c), and for pg_depend there is an index; the
// schema itself stays.
var probes = [...]string{
	`pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()`,
	`pg_depend d WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass` +
		` AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()`,
	`pg_cursors c WHERE c.is_holdable`,
	`pg_prepared_statements s WHERE s.from_sql`,
	`pg_listening_channels()`,
}

// probe asks the upstream which of the provable reasons are there, of those that
// the client may have given since it has the upstream.
func (x *exchange) probe() (reasons, error) {
	rows, err := x.ask(probeQuery(x.remains.possible))
	var shown reasons
	for i := range probes {
		if _, ok := rows[strconv.Itoa(i)]; ok {
			shown |= 1 << i
		}
	}
	if count, ok := rows[preparedKey]; ok && err == nil && count != strconv.Itoa(x.up.Prepared.Count()) {
		err = x.recount()
	}
	return shown, err
}

// preparedKey is the key of the row that counts the statements of the protocol.
const preparedKey = "prepared"

// recount finds out which statements are gone that were prepared by the protocol:
// what nobody sees in a text may have deallocated them. The next client would be
// told that what it has prepared does not exist. For this one they are gone.
func (x *exchange) recount() error {
	rows, err := x.rowsFrom(`SELECT s.name, 'there' FROM pg_catalog.pg_prepared_statements s WHERE NOT s.from_sql`)
	if err != nil {
		return err
	}
	gone := x.up.Prepared.Retain(func(s *upstream.Statement) bool { return rows[s.Name] != "" })
	if x.up.Prepared.Len() == 0 && len(gone) > 0 {
		x.s.forgetAll() // DEALLOCATE ALL
	}
	for name, s := range x.up.Prepared.Aliases {
		if rows[strings.ToLower(name)] != "" { // rowsFrom's keys
			continue
		}
		x.up.Prepared.SetAlias(name, nil)
		if p := x.s.named[name]; p != nil && &p.Statement == s {
			x.s.forgetNamed(name)
		}
	}
	for _, s := range gone {
		for name, own := range x.s.named {
			if &own.Statement == s {
				x.s.forgetNamed(name)
			}
		}
	}
	return nil
}

// probeQuery returns the question for some reasons: a row with the number of each
// that is there.
func probeQuery(possible reasons) string {
	if possible&opaque != 0 {
		possible |= provable
	}
	var sql strings.Builder
	for i := range (possible & provable).each {
		if sql.Len() > 0 {
			sql.WriteString(" UNION ALL ")
		}
		sql.WriteString("SELECT '" + strconv.Itoa(i) + "', '' WHERE EXISTS (SELECT FROM pg_catalog." + probes[i] + ")")
	}
	if possible&opaque != 0 {
		sql.WriteString(" UNION ALL SELECT '" + preparedKey + "', pg_catalog.count(*)::pg_catalog.text FROM pg_catalog.pg_prepared_statements s WHERE NOT s.from_sql")
	}
	return sql.String()
}
