// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// A body may do RESET, or set_config with NULL, where weir cannot follow it with
// statements of its own (see default.go). Afterwards the setting is what the upstream
// began with, and PostgreSQL's list of settings says that nobody has set it. So as long
// as the transaction goes on, what the client began with is set again in front of each
// request: for the session where it was reset for that, else for the transaction.
//
// A name with a dot is in no list. Where a body gives one its default by a word, and it
// is empty, that is taken for the default.

// lapse is a setting of a client's login that may have been given another default.
type lapse struct {
	name  string
	local bool // only for the transaction
}

// defaults notes the settings of a client's login that a statement which is sent may
// give the upstream's defaults, out of sight.
func (x *exchange) defaults(e *effect) {
	for _, name := range e.defaults {
		x.lapses(name, true)
	}
	for _, name := range e.nulls {
		x.lapses(name, false)
	}
}

// lapses notes those of them that a name in an effect's lists stands for. Where it is
// not certain, a name with a dot has the value that it seems to have.
func (x *exchange) lapses(name string, certain bool) {
	name, local := strings.CutPrefix(name, routine.ForTransaction)
	l, any := x.pool().lore.Load(), name == "" || name == "all"
	for own := range x.s.start.each {
		switch {
		case own != name && (!any || !certain && own == "application_name"):
		case isHidden(own) && certain && !slices.Contains(identity[:], own), l != nil && l.free[own]:
			x.lapse(own, local)
		}
	}
}

func (x *exchange) lapse(name string, local bool) {
	for i := range x.changes.defaults {
		if d := &x.changes.defaults[i]; d.name == name {
			d.local = d.local && local
			return
		}
	}
	x.changes.defaults = append(x.changes.defaults, lapse{name, local})
}

// heedless are the kinds of statements to which such settings make no difference. To
// SET LOCAL they do: what it covers is taken for what was set.
const heedless = 1<<sqltext.Begin | 1<<sqltext.Commit | 1<<sqltext.Rollback | 1<<sqltext.Savepoint | 1<<sqltext.Release |
	1<<sqltext.RollbackTo | 1<<sqltext.SetTransaction | 1<<sqltext.Empty

// independent reports whether it is one RESET, or one SET of a setting that is in no
// statement's key: no other setting has a part in the value. A SET of datestyle, for one,
// may leave the order of day and month as it is.
func (e *effect) independent() bool {
	switch {
	case !e.single:
		return false
	case e.kinds == 1<<sqltext.Reset, e.kinds == 1<<sqltext.ResetAll:
		return true
	}
	return e.kinds == 1<<sqltext.Set && e.touches && e.guarded == nil && !e.rereads && e.pins == 0
}

// reclaims reports whether settings have to be set again in front of a statement of
// that effect, nil for none. Where ok is false, it waits for the answers to what is in
// front of it.
func (x *exchange) reclaims(e *effect) (now, ok bool) {
	switch {
	case x.changes.defaults == nil, e == nil, e.kinds&^heedless == 0, e.independent(), x.status == wire.Failed:
		return false, true
	case !x.due.between():
		return true, true // what is in front is of the same group, and fails with it
	case x.due.groups() > 0:
		x.fence = true
		return false, false
	}
	return x.status == wire.InTransaction, true
}

// reclaim sets them again. The next message is a Query, or in the same group.
func (x *exchange) reclaim(query bool) {
	s := script{encoding: x.s.start.encoding()}
	s.add("SELECT pg_catalog.set_config(v.n,v.v,v.l) IS NULL FROM (VALUES ")
	for i, d := range x.changes.defaults {
		if i > 0 {
			s.add(",")
		}
		value, _ := x.s.start.get(d.name)
		s.add("(")
		s.quote(d.name)
		s.add(",")
		s.value(value)
		s.add(",", strconv.FormatBool(d.local), ")")
	}
	s.add(") v (n,v,l) WHERE v.n OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT pg_catalog.lower(s.name) FROM pg_catalog.pg_settings s WHERE s.source OPERATOR(pg_catalog.<>) 'session'))" +
		" OR pg_catalog.strpos(v.n,'.') OPERATOR(pg_catalog.>) 0 AND pg_catalog.current_setting(v.n,true) OPERATOR(pg_catalog.=) ''")
	x.s.snapshot.group |= byWeir
	x.runOwnAhead(string(s.sql), query)
	x.barrier = x.barrier || query
}

// defaulted takes the settings that a transaction has given their defaults out of those
// that PostgreSQL has told: it does not tell that of a name with a dot.
func (x *exchange) defaulted(has map[string]string) {
	for _, d := range x.changes.defaults {
		if value, ok := has[d.name]; ok && value == "" && isHidden(d.name) {
			delete(has, d.name)
		}
	}
	x.changes.defaults = nil
}
