// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"fmt"
	"strconv"
)

// roleQuery asks for a role's CONNECTION LIMIT and its sessions that are not ours
// (%s are the process ids of those that are), as one row of two columns. A limit
// does not bind a superuser, nor does one below 0. See limitsQuery.
const roleQuery = `
SELECT
	CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END,
	(
		SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_get_activity(NULL) s
		WHERE s.usesysid OPERATOR(pg_catalog.=) r.oid AND s.datid IS NOT NULL
		AND (s.backend_type IS NULL OR s.backend_type OPERATOR(pg_catalog.=) 'client backend')
		AND s.pid OPERATOR(pg_catalog.<>) ALL ('%s'::pg_catalog.int4[])
	)
FROM pg_catalog.pg_roles r
WHERE r.rolname OPERATOR(pg_catalog.=) SESSION_USER`

// RoleQuery is SQL that asks, of the role that runs it, what RoleAnswer reads.
func RoleQuery(ours []uint32) string { return fmt.Sprintf(roleQuery, pidArray(ours)) }

// RoleAnswer reads the answer to RoleQuery: the CONNECTION LIMIT, Unlimited if
// there is none, and how many sessions of the role are others'.
func RoleAnswer(rows map[string]string) (limit, others int, err error) {
	for a, b := range rows {
		if limit, err = strconv.Atoi(a); err == nil {
			others, err = strconv.Atoi(b)
		}
		return max(limit, Unlimited), others, err
	}
	return 0, 0, fmt.Errorf("the query for a role's sessions returned %d rows, expected 1", len(rows))
}
