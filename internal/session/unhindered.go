// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strconv"
	"strings"

	"github.com/weir-pg/weir/internal/wire"
)

// What weir asks must not fail by what a client has set for itself, nor wait. So
// outside a block a question stands in one text with statements in front of it
// that take the client's limits off until its end. Such a text is one transaction
// (protocol chapter, "Multiple Statements in a Simple Query"), so an error leaves
// nothing behind, and SET LOCAL ends with it. The time limit of the client counts
// from the message on until it is off: a question that meets it is asked again, see
// commandWithin.

// ownTransaction has a text read what is committed now, where a serializable,
// deferrable, read-only default would have it wait until it cannot conflict. It
// takes no snapshot, and has to come before what does (PostgreSQL: check_transaction_isolation).
const ownTransaction = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED,NOT DEFERRABLE;"

// timeLimits are the settings that end a statement or a transaction, as far as the
// upstream's PostgreSQL has them. None applies within one message that the others
// do not end, or costs the connection, but these.
func (x *exchange) timeLimits() []string {
	if x.majorVersion() >= 17 {
		return []string{statementTimeout, "lock_timeout", "transaction_timeout"}
	}
	return []string{statementTimeout, "lock_timeout"}
}

// majorVersion is that of the upstream's PostgreSQL, 0 where it does not say.
func (x *exchange) majorVersion() int {
	version := x.up.Params["server_version"] // "18.4", "15.10 (Debian 15.10-0+deb12u1)", "19devel"
	for i, c := range version {
		if c < '0' || c > '9' {
			version = version[:i]
			break
		}
	}
	n, _ := strconv.Atoi(version)
	return n
}

// unhindered returns a text that does what sql does without the client's limits.
// Inside a block it is sql: there the limits would stay off.
func (x *exchange) unhindered(sql string) string {
	if x.status != wire.Idle {
		x.s.snapshot.group |= byWeir
		return sql
	}
	var b strings.Builder
	b.WriteString(ownTransaction)
	for _, name := range x.timeLimits() {
		b.WriteString("SET LOCAL " + name + "=0;")
	}
	b.WriteString(sql)
	return b.String()
}

// ask is rowsFrom without the client's limits.
func (x *exchange) ask(sql string) (map[string]string, error) {
	return x.rowsFrom(x.unhindered(sql))
}
