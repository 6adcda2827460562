// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/upstream"
	"github.com/weir-pg/weir/internal/wire"
)

// For PostgreSQL the statements of the protocol and those of SQL are one: EXECUTE
// and DEALLOCATE take what Parse has made, Close takes what PREPARE has made, and
// neither takes a name that the other has given. On an upstream the statements of
// the protocol have names of weir's. So in front of a text that names one, it is
// prepared there once more, under the client's own name: an alias. It stays until it
// is not what the client calls so any more, or the client lets go of the upstream.

// reserved reports whether a name could be one of weir's. A client may give it to a
// statement of the protocol, which has another name on the upstream. SQL does not find
// that, and must not give it to another: weir could need it there.
func reserved[T string | []byte](name T) bool {
	return len(name) >= len(namePrefix) && string(name[:len(namePrefix)]) == namePrefix
}

// errReserved answers a PREPARE of such a name.
var errReserved = &sqlstate.Error{
	Code:    sqlstate.ReservedName,
	Message: "a prepared statement may not have a name that weir gives to its own",
	Hint:    "Choose a name that is not listed in pg_prepared_statements.",
}

// takesReserved reports whether SQL gives a statement a name that could be weir's.
func (e *effect) takesReserved() bool {
	for _, m := range e.mentions {
		if m.Kind == sqltext.Prepare && reserved(m.Name) {
			return true
		}
	}
	return false
}

// naming are the kinds of statements of which some name prepared ones.
const naming = 1<<sqltext.Prepare | 1<<sqltext.Execute | 1<<sqltext.Deallocate |
	1<<sqltext.Explain | 1<<sqltext.ExplainAnalyze | 1<<sqltext.DDL | 1<<sqltext.CreateTemp

// mentionsIn returns the prepared statements that a text names, nil where there are
// none.
func mentionsIn(text []byte, sum sqltext.Summary) []sqltext.Mention {
	if sum.Kinds&(1<<sqltext.Prepare|1<<sqltext.Execute|1<<sqltext.Deallocate) == 0 && sum.Flags&sqltext.Executes == 0 {
		return nil
	}
	return sqltext.Mentions(text)
}

// join adds what another text may leave behind.
func (e *effect) join(o *effect) {
	e.kinds |= o.kinds
	e.sets, e.locals, e.touches = e.sets || o.sets, e.locals || o.locals, e.touches || o.touches
	e.hidden = slices.Concat(e.hidden, o.hidden)
	e.guarded = slices.Concat(e.guarded, o.guarded)
	e.pins, e.unpins = e.pins|o.pins, e.unpins|o.unpins
	if o.maySeed {
		e.pins |= functions // what is executed by SQL has its values there
	}
	e.tentative = e.tentative && o.tentative
	e.notifies, e.signals = e.notifies || o.notifies, e.signals || o.signals
	e.uses, e.reads, e.names, e.channels = e.uses || o.uses, e.reads || o.reads, e.names || o.names, e.channels || o.channels
	e.vacates = slices.Concat(e.vacates, o.vacates)
	e.hinges |= o.hinges
	e.rereads, e.anybody = e.rereads || o.rereads, e.anybody || o.anybody
	e.makes, e.unbound, e.defines = e.makes || o.makes, e.unbound || o.unbound, e.defines || o.defines
	e.into, e.reverts, e.shows = e.into || o.into, e.reverts || o.reverts, e.shows || o.shows
	e.configs = slices.Concat(e.configs, o.configs)
	e.defaults, e.nulls = slices.Concat(e.defaults, o.defaults), slices.Concat(e.nulls, o.nulls)
	e.calls, e.made.Effect = slices.Concat(e.calls, o.calls), e.made.With(o.made.Effect)
	e.mentions, e.anyStatement = slices.Concat(e.mentions, o.mentions), e.anyStatement || o.anyStatement
}

// waitsForNames has a message wait that names prepared statements in SQL, as long
// as what is prepared depends on spans that may yet fail.
func (x *exchange) waitsForNames(e *effect) bool {
	if e.mentions == nil || x.due.groups() == 0 {
		return false
	}
	x.fence = true
	return true
}

// align makes the names in a text stand on the upstream for what they are to the
// client, in front of the next message. It reports whether something had to be
// prepared for that.
func (x *exchange) align(names []sqltext.Mention, query bool) (prepared bool) {
	for _, m := range names {
		var want *statement
		if p := x.s.named[m.Name]; p != nil {
			want = p.statement
		}
		if want != nil && x.up.Prepared.Alias(m.Name) == &want.Statement {
			continue
		}
		x.dropAlias(m.Name)
		if want == nil || want.unseen || reserved(m.Name) {
			continue
		}
		x.pool().stats.Parses.Add(x.shard(), 1)
		x.asPrepared(want, func() {
			x.up.Prepared.SetAlias(m.Name, &want.Statement)
			x.due.push(answer{kind: 'P', fate: swallowed, st: want, alias: m.Name, leads: query, pins: x.analyses(want)})
			x.toUp.insert(func(out []byte) []byte { return wire.AppendParse(out, m.Name, want.Text, []byte(want.OIDs)) })
		})
		prepared = true
	}
	return prepared
}

// targetsOf returns the statements that st executes and the client has now.
func (x *exchange) targetsOf(st *statement) (list []upstream.Statement) {
	for _, m := range st.effect.mentions {
		if p := x.s.named[m.Name]; p != nil && (m.Kind == sqltext.Execute || m.Kind == inBody) && !p.unseen {
			list = append(list, upstream.Statement{Name: m.Name, Text: p.Text, OIDs: p.OIDs})
		}
	}
	return list
}

// layTargets has the upstream know, for the next Parse, the statements that st executes
// as they were when the client prepared it: PostgreSQL works out then what st returns,
// and later only says 26000 where one of them is there no more (UtilityTupleDescriptor
// in utility.c, FetchStatementTargetList in pquery.c).
func (x *exchange) layTargets(st *statement) {
	if st.targets == nil || x.status == wire.Failed || x.mayHavePrepared() {
		return
	}
	for i := range st.targets {
		t := &st.targets[i]
		x.dropAlias(t.Name)
		x.up.Prepared.SetAlias(t.Name, t)
		e := x.effectOfParsed([]byte(t.Text), []byte(t.OIDs))
		x.due.push(answer{kind: 'P', fate: swallowed, alias: t.Name, pins: x.analysesAs(&e)})
		x.toUp.insert(func(out []byte) []byte { return wire.AppendParse(out, t.Name, t.Text, []byte(t.OIDs)) })
	}
}

// liftTargets makes the names stand for what they are to the client now.
func (x *exchange) liftTargets(st *statement) {
	if st.targets == nil {
		return
	}
	for i := range st.targets {
		if t := &st.targets[i]; x.up.Prepared.Alias(t.Name) == t {
			x.dropAlias(t.Name)
		}
	}
	if x.status != wire.Failed {
		x.align(st.effect.mentions, false)
	}
}

// dropAlias has the upstream have no statement of the protocol by that name.
func (x *exchange) dropAlias(name string) {
	had := x.up.Prepared.Alias(name)
	if had == nil && reserved(name) {
		had = x.up.Prepared.Named(name) // a shared one: nobody knows it by weir's name
	}
	if had == nil {
		return
	}
	if had.Name == name {
		x.up.Prepared.Remove(had)
	} else {
		x.up.Prepared.SetAlias(name, nil)
	}
	x.due.push(answer{kind: 'C', fate: swallowed, alias: name, had: had})
	x.toUp.insert(func(out []byte) []byte { return wire.AppendTarget(out, wire.Close, wire.Statement, name) })
}

// dropOthersOf has the upstream have no statement of another client's, in front of code
// that makes up the names of those that it runs: it could have read them. The client
// keeps the upstream then.
func (x *exchange) dropOthersOf(e *effect) {
	if !e.anyStatement || x.status == wire.Failed || (x.s.pinned()|x.remains.left)&unclear != 0 {
		return
	}
	own := make(map[*upstream.Statement]bool)
	for _, p := range x.s.named {
		own[&p.Statement] = true
	}
	for name, st := range x.up.Prepared.All {
		if !own[st] {
			x.dropAlias(name)
		}
	}
}

// undoAlias takes back what align has done, of which a message failed or was
// skipped.
func (x *exchange) undoAlias(a *answer) {
	switch {
	case a.kind == 'P':
		x.up.Prepared.SetAlias(a.alias, nil)
	case a.had.Name == a.alias:
		x.up.Prepared.Add(a.had)
		x.up.Prepared.Confirm(a.had)
	default:
		x.up.Prepared.SetAlias(a.alias, a.had)
	}
}

// clearNames has the upstream forget all statements before another client gets it,
// where some had clients' names: the next one must find none of them, whatever weir
// believes is there. It returns false where the upstream was lost over it.
func (x *exchange) clearNames() bool {
	if !x.up.Prepared.Aliased() {
		return true
	}
	if err := x.command("DEALLOCATE ALL"); err != nil {
		x.discardUpstream("it did not forget its client's statements: " + err.Error())
		return false
	}
	return x.up != nil
}

// dropOthers closes the aliases that are not what this client calls so. As in evict,
// no failure can have that skipped.
func (x *exchange) dropOthers() {
	for name, st := range x.up.Prepared.Aliases {
		if p := x.s.named[name]; p == nil || &p.statement.Statement != st {
			x.dropAlias(name)
		}
	}
}

// deallocated takes in that the statement that was answered was a DEALLOCATE.
func (x *exchange) deallocated(a *answer) {
	if len(a.frees) > 0 {
		x.forgetPrepared(a, a.frees[0], false)
		x.s.forgetNamed(a.frees[0])
		x.up.Prepared.SetAlias(a.frees[0], nil)
		a.frees = a.frees[1:]
	}
}

// frees returns the names that a text deallocates, in their order.
func frees(names []sqltext.Mention) (list []string) {
	for _, m := range names {
		if m.Kind == sqltext.Deallocate {
			list = append(list, m.Name)
		}
	}
	return list
}

// mayHavePrepared reports whether the client may have prepared statements by SQL on
// this upstream, whose names a Parse must not take.
func (x *exchange) mayHavePrepared() bool {
	const by = prepares | unclear | opaque
	return (x.s.pinned()|x.remains.left|x.remains.possible)&by != 0 ||
		x.stakes.kinds&(1<<sqltext.Prepare|1<<sqltext.Do|1<<sqltext.Unknown) != 0
}

// parseReal forwards a Parse with the client's own name, so that PostgreSQL says
// whether SQL has given that to another.
func (x *exchange) parseReal(m wire.ParseMessage, st *statement, size int) {
	name := string(keyed(m.Name))
	x.dropAlias(name)
	x.up.Prepared.SetAlias(name, &st.Statement)
	x.due.push(answer{kind: 'P', st: st, name: name, alias: name, pins: x.analyses(st)})
	x.toUp.keep(size)
	if has, _ := x.up.Prepared.Has(&st.Statement); !has {
		x.add(st) // now, as long as it means the same, and what it executes is there
	}
}
