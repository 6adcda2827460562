// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// statementTimeout is PostgreSQL's name for it.
const statementTimeout = "statement_timeout"

// noTimeout is 25 days in milliseconds, the most that PostgreSQL takes. A client
// would rather say 0, so this is known for weir's.
const noTimeout = "2147483647"

// relieve takes weir's own statement_timeout (pool.statement_timeout) off the
// upstream of a client that keeps it, or is about to take an advisory lock:
// waiting for a lock is what such a statement is there for, and what keeps an
// upstream runs as if there were no weir. Where the client, its role or database
// has set one, that stays. The next client's settings, or the reset when
// this one leaves, bring weir's own back.
//
// It can be done where a group of messages begins; in a block it is part of that group,
// as in ownSequences, and a Query may come next, which is skipped if this fails. False
// says that the upstream was lost with it; what the client asked is still to be looked at.
func (x *exchange) relieve(query bool) bool {
	up := x.up
	if !up.bounded || !x.synced || x.status == wire.Failed || up.relieved || up.relief == up.settings {
		return true
	}
	if x.status != wire.Idle {
		x.send()
		x.runOwnAhead(relief(true), query) // it lasts for the block
		x.barrier = x.barrier || query
		return true
	}
	has, err := x.rowsFrom(relief(false))
	switch {
	case x.up == nil:
		if x.keeps() {
			lost := sqlstate.From(err)
			lost.Hint = "Connect again."
			x.refuse(lost)
		}
		return false
	case err != nil:
		return true // PostgreSQL refused
	case has[statementTimeout] != "":
		up.relieved = true
	}
	up.relief = up.settings
	return true
}

// waits reports whether a text may wait for an advisory lock; it does not where
// one is only tried.
func (e *effect) waits() bool { return e.pins&locks != 0 && !e.tentative }

// fits reports whether the upstream has the client's settings, or has them and is
// READ ONLY for one request. What relieve did stays for as long as the client is
// pinned.
func (x *exchange) fits() bool {
	return x.belted || x.up.settings == x.s.settings && (!x.up.relieved || x.s.pin != nil)
}

// given is what the upstream has been given, with what relieve did.
func (u *Upstream) given() Settings {
	if u.relieved && u.settings != unknownSettings {
		return u.settings.with(statementTimeout, noTimeout)
	}
	return u.settings
}

// unrelieve notes that what relieve did is over.
func (u *Upstream) unrelieve() { u.relieved, u.relief = false, Settings{} }

// unrelieve takes out of the settings that the upstream was found to have what
// relieve set, which is not the client's.
func (x *exchange) unrelieve(has map[string]string) {
	switch {
	case !x.up.relieved:
	case has[statementTimeout] == noTimeout:
		delete(has, statementTimeout)
	default:
		x.up.unrelieve()
	}
}

// relief is the SQL of relieve. A setting whose source is the client is one of
// the start-up packet, which is weir's: what weir's clients say there is set later.
func relief(inBlock bool) string {
	local := "false"
	if inBlock {
		local = "true"
	}
	return `SELECT s.name, pg_catalog.set_config(s.name, '` + noTimeout + `', ` + local + `) FROM pg_catalog.pg_settings s ` +
		`WHERE s.name OPERATOR(pg_catalog.=) '` + statementTimeout + `' AND s.source OPERATOR(pg_catalog.=) 'client'`
}
