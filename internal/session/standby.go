// SPDX-License-Identifier: Apache-2.0

package session

import "github.com/weir-pg/weir/internal/sqlstate"

// readOnlyTransaction is PostgreSQL's code for a write where none may be
// (errcodes.txt, read_only_sql_transaction).
const readOnlyTransaction sqlstate.Code = "25006"

// onStandby reports whether a write was refused because the upstream leads to a
// standby, although weir was given hosts of which one takes writes. A client that
// reads only by its own wish (default_transaction_read_only, READ ONLY) gets the
// same code, and means it: only a server in recovery is the wrong one. It reports
// that itself, as in_hot_standby, since PostgreSQL 14 (xlog.c, RecoveryInProgress,
// which is what pg_is_in_recovery returns).
func (x *exchange) onStandby(code sqlstate.Code) bool {
	return code == readOnlyTransaction && x.up.Params["in_hot_standby"] == "on" && x.pool().target().WantsPrimary()
}

// leaveStandby has all pools of the server look for the primary elsewhere: their
// upstreams are closed, those in use once they are let go, and the host is tried
// last from now on.
func (p *Pool) leaveStandby(address string) {
	p.target().Avoid(address)
	p.options.Load().Server.Recycle("the server is a standby")
}
