// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"fmt"
	"strconv"
	"strings"
)

// RoleQuery is SQL that asks, of the role that runs it, for its CONNECTION LIMIT
// and the process ids of its sessions, as one row of two columns. A limit does not
// bind a superuser, nor does one below 0. See limitsQuery.
const RoleQuery = `
SELECT
	CASE WHEN r.rolsuper THEN -1 ELSE r.rolconnlimit END,
	(
		SELECT pg_catalog.string_agg(s.pid::pg_catalog.text, ',') FROM pg_catalog.pg_stat_get_activity(NULL) s
		WHERE s.usesysid OPERATOR(pg_catalog.=) r.oid AND s.datid IS NOT NULL
		AND (s.backend_type IS NULL OR s.backend_type OPERATOR(pg_catalog.=) 'client backend')
	)
FROM pg_catalog.pg_roles r
WHERE r.rolname OPERATOR(pg_catalog.=) SESSION_USER`

// RoleAnswer reads the answer to RoleQuery: the CONNECTION LIMIT, Unlimited if
// there is none, and the sessions, ours included.
func RoleAnswer(rows map[string]string) (limit int, sessions []uint32, err error) {
	for a, b := range rows {
		if limit, err = strconv.Atoi(a); err != nil {
			return 0, nil, err
		}
		for one := range strings.SplitSeq(b, ",") {
			pid, err := strconv.ParseUint(one, 10, 32)
			if err != nil {
				return 0, nil, err
			}
			sessions = append(sessions, uint32(pid))
		}
		return max(limit, Unlimited), sessions, nil
	}
	return 0, nil, fmt.Errorf("the query for a role's sessions returned %d rows, expected 1", len(rows))
}
