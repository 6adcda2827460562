// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"time"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/upstream"
	"github.com/weir-pg/weir/internal/wire"
)

// Clients choose names for prepared statements without knowing of each other:
// they collide (s0, S_1) and coincide (stmtcache_<hash>). So a client's name
// means its own statement, and on upstreams a statement has one name of
// weir's, whoever prepared it. What the client and the upstream have is
// brought forward as messages are sent, and taken back for messages that fail
// or are skipped (see undo).

// parse handles Parse.
func (x *exchange) parse(size int) bool {
	if !x.toUp.whole(size) {
		if size > longestText {
			return x.parseUnseen(size)
		}
		x.send() // keeps the upstream until the rest has come
		x.toUp.grow(size)
		return false
	}
	m, err := wire.ReadParse(x.toUp.body(size))
	if err != nil {
		x.refuse(violation("malformed Parse message; the connection is closed"))
		return true
	}
	_, old := x.s.lookup(m.Name)
	if len(m.Name) > 0 && x.unsettled(m.Name, old) {
		return false
	}
	if old != nil {
		if x.unsettledThere(taken) {
			x.fence = true
			return false
		}
		x.send()
		x.parseTwice(m, size)
		return true
	}
	st := x.statementFor(m)
	if x.waitsForNames(&st.effect) {
		x.s.env.dictionary.release(st)
		return false
	}
	e := x.effectOf(st)
	early := x.analysed(e)
	if early != nil && x.waitsForNames(early) {
		x.s.env.dictionary.release(st)
		return false
	}
	if early != nil || x.due.between() {
		if ok, done := x.permit(e, size); !ok {
			x.s.env.dictionary.release(st)
			return done
		}
	}
	if e.waits() && !x.relieve(false) {
		x.s.env.dictionary.release(st)
		return true
	}
	x.catchUp(st.effect.kinds)
	x.send()
	x.align(st.effect.mentions, false)
	if early != nil {
		x.align(early.mentions, false)
	}
	if len(m.Name) == 0 && !st.unseen && x.s.env.dictionary.tooMuch(st) {
		x.provoke(size, x.crowdedOut())
		x.s.env.dictionary.release(st)
		return true
	}
	if len(m.Name) == 0 {
		x.parseUnnamed(m, st, size)
		return true
	}
	return x.parseNamed(m, st, size)
}

// parseUnseen handles a Parse too large to be held in memory. Unnamed, it is
// forwarded, and is not there any more once the upstream is let go of.
func (x *exchange) parseUnseen(size int) bool {
	name, _, ok := wire.CString(x.toUp.body(size))
	if !ok || len(name) > 0 {
		x.send()
		x.provoke(size, &sqlstate.Error{
			Code:    sqlstate.OutOfMemory,
			Message: fmt.Sprintf("prepared statement of %d bytes is too long for weir to keep", size),
			Detail:  fmt.Sprintf("The longest is %d bytes.", longestText),
			Hint:    "Use the unnamed statement, or send it as a simple query.",
		})
		return true
	}
	x.send()
	st := &statement{unseen: true, alone: true, clients: 1, effect: unread}
	x.s.snapshot.group |= byClient
	x.due.push(answer{kind: 'P', unnamed: true, st: st, pins: x.analysesAs(&unread)})
	x.s.assumeUnnamed(st)
	x.up.Prepared.Unnamed = &st.Statement
	x.toUp.keep(size)
	return true
}

// parseUnnamed forwards a Parse of the unnamed statement as it is, and
// remembers it in case the client binds it on another upstream.
func (x *exchange) parseUnnamed(m wire.ParseMessage, st *statement, size int) {
	x.due.push(answer{kind: 'P', unnamed: true, st: st, pins: x.analyses(st)})
	x.s.assumeUnnamed(st)
	x.up.Prepared.Unnamed = &st.Statement
	x.toUp.keep(size)
}

// statementFor returns the statement that a Parse defines.
func (x *exchange) statementFor(m wire.ParseMessage) *statement {
	kind := sqltext.First(m.Text).Kind
	if unaffected&(1<<kind) == 0 {
		x.s.snapshot.group |= byClient
	}
	if x.unsure() && unaffected&(1<<kind) == 0 || naming&(1<<kind) != 0 && sqltext.Mentions(m.Text) != nil {
		st := x.s.env.dictionary.passing(m.Text, m.OIDs, x.s.meaning, x.quoting())
		st.targets = x.targetsOf(st)
		x.s.env.dictionary.charge(st)
		return st
	}
	return x.intern(m.Text, m.OIDs, x.s.meaning, x.quoting())
}

// intern returns the statement for a text, charged to the client. One of another's
// words, as those of a comment, is not for a text that may read itself.
func (x *exchange) intern(text, oids []byte, meaning string, r quoting) *statement {
	d := x.s.env.dictionary
	st := d.intern(text, oids, meaning, r)
	if st.Text != string(text) && (st.shows || x.effectOf(st).shows) {
		d.release(st)
		return d.internWhole(text, oids, meaning, r)
	}
	return st
}

// parseNamed gives the client a named statement, and the upstream too if it
// does not have it yet. False where an earlier group has to be answered first.
func (x *exchange) parseNamed(m wire.ParseMessage, st *statement, size int) bool {
	has, _ := x.up.Prepared.Has(&st.Statement)
	if x.unsettledThere(st) {
		// Whether the upstream has it depends on a group that may yet fail.
		x.s.env.dictionary.release(st)
		x.fence = true
		return false
	}
	if why := x.tooMuch(st); why != nil {
		x.s.env.dictionary.release(st)
		x.provoke(size, why)
		return true
	}
	x.readName(m.Name)
	name := string(keyed(m.Name))
	x.s.setNamed(name, &prepared{statement: st})
	if x.mayHavePrepared() && !reserved(name) && !splits(m.Name) {
		x.parseReal(m, st, size)
		return true
	}
	if has && (x.mayHaveFailed() || st.snaps() && x.stakes.kinds&beforehand != 0 || x.analysed(x.effectOf(st)) != nil) {
		x.parseAside(m, st, size)
		return true
	}
	if has {
		x.s.guess(name)
		x.due.push(answer{kind: 'P', fate: faked, st: st, name: name})
		x.toUp.discard(size)
		return true
	}
	x.due.push(answer{kind: 'P', adds: !has, st: st, name: name, pins: x.analyses(st)})
	if !has {
		x.adds(st)
	}
	x.parseAs(st.Name, m, size)
	return true
}

// readName has PostgreSQL read a name that it is not sent otherwise, and which may be
// no text in the client's encoding (pq_getmsgstring). There is nothing to be closed.
func (x *exchange) readName(name []byte) {
	if isASCII(name) {
		return
	}
	x.due.push(answer{kind: 'C', fate: swallowed})
	x.toUp.insert(func(out []byte) []byte {
		return wire.AppendTarget(out, wire.Close, wire.Statement, parsedAside+string(name))
	})
}

// blocking are the kinds of statements after which a block may be open.
const blocking = 1<<sqltext.Begin | 1<<sqltext.Commit | 1<<sqltext.Rollback | 1<<sqltext.Unknown

// mayHaveFailed reports whether what is sent next may meet a failed block, in which
// PostgreSQL refuses all but its end.
func (x *exchange) mayHaveFailed() bool {
	return x.status == wire.Failed || x.due.groups() > 0 && (x.inBlock() || x.stakes.kinds&blocking != 0)
}

// parsedAside is a name for statements that are wanted for their Parse alone.
var parsedAside = namePrefix + "~"

// parseAside has PostgreSQL say whether it takes the Parse of a statement that the
// upstream has: in a failed block it does not, or only of the block's end.
func (x *exchange) parseAside(m wire.ParseMessage, st *statement, size int) {
	x.due.push(answer{kind: 'C', fate: swallowed})
	x.toUp.insert(func(out []byte) []byte {
		return wire.AppendTarget(out, wire.Close, wire.Statement, parsedAside)
	})
	x.due.push(answer{kind: 'P', st: st, name: string(keyed(m.Name)), pins: x.analyses(st)})
	x.parseAs(parsedAside, m, size)
}

// parseAs forwards a Parse with another name.
func (x *exchange) parseAs(name string, m wire.ParseMessage, size int) {
	n := wire.HeaderSize + len(m.Name) + 1
	x.toUp.replace(size, n, func(out []byte) []byte {
		out = wire.AppendHeader(out, wire.Parse, size-len(m.Name)+len(name))
		return wire.AppendCString(out, name)
	})
}

// answerAlone answers what needs no upstream: a Parse of a named statement that
// PostgreSQL has accepted before, and a Close of one. It is not only quicker.
// Programs that prepare for one connection while they keep others in
// transactions (pgbench does) would wait for themselves.
func (x *exchange) answerAlone(typ byte, size int) bool {
	if !x.toUp.whole(size) {
		return false
	}
	switch typ {
	case wire.Parse:
		return x.parseAlone(size)
	case wire.Close:
		return x.closeAlone(size)
	}
	return false
}

func (x *exchange) parseAlone(size int) bool {
	m, err := wire.ReadParse(x.toUp.body(size))
	if err != nil || len(m.Name) == 0 || !isASCII(m.Name) || x.s.find(m.Name) != nil || x.pool().catalogOld(time.Now()) {
		return false
	}
	st := x.statementFor(m)
	if !st.proven.Load() || x.tooMuch(st) != nil || x.analysed(x.effectOf(st)) != nil {
		x.s.env.dictionary.release(st)
		return false
	}
	name := string(keyed(m.Name))
	x.s.setNamed(name, &prepared{statement: st})
	x.s.guess(name)
	x.s.snapshot.lacks = x.s.snapshot.lacks || st.snaps()
	x.toUp.discard(size)
	x.toClient.insert(func(out []byte) []byte { return wire.AppendEmpty(out, wire.ParseComplete) })
	return true
}

func (x *exchange) closeAlone(size int) bool {
	kind, name, err := wire.ReadTarget(x.toUp.body(size))
	if err != nil || kind != wire.Statement || len(name) == 0 || !isASCII(name) {
		return false
	}
	x.s.forgetNamed(string(keyed(name)))
	x.toUp.discard(size)
	x.toClient.insert(func(out []byte) []byte { return wire.AppendEmpty(out, wire.CloseComplete) })
	return true
}

// tooMuch returns why st is more than the client may have prepared, nil where it is
// not.
func (x *exchange) tooMuch(st *statement) *sqlstate.Error {
	limit := x.pool().config().MaxStatementBytes
	if limit > 0 && int64(x.s.bytes+st.size()) > limit {
		return &sqlstate.Error{
			Code:    sqlstate.OutOfMemory,
			Message: "this client's prepared statements take too much memory",
			Detail:  fmt.Sprintf("They take %d bytes; with this one they would take more than pool.max_statement_bytes = %d.", x.s.bytes, limit),
			Hint:    "Close prepared statements that are not used any more, or raise pool.max_statement_bytes.",
		}
	}
	if x.s.env.dictionary.tooMuch(st) {
		return x.crowdedOut()
	}
	return nil
}

// crowdedOut is why nobody may prepare anything new.
func (x *exchange) crowdedOut() *sqlstate.Error {
	d := x.s.env.dictionary
	return &sqlstate.Error{
		Code:    sqlstate.OutOfMemory,
		Message: "the prepared statements of all clients take too much memory",
		Detail:  fmt.Sprintf("With this one they take %d bytes; max_total_statement_bytes is %d.", d.held.Load(), d.limit.Load()),
		Hint:    "Close prepared statements that are not used any more, or raise max_total_statement_bytes.",
	}
}

// taken is a statement that every session accepts, whatever its settings are.
var taken = &statement{Statement: upstream.Statement{Name: namePrefix + "!", OIDs: "\x00\x00"}, kind: sqltext.Empty}

// parseTwice has the server refuse a name that the client uses already, so that
// the error and what it does to the transaction are the server's own. The name
// stands for taken there: what the client has under it may not be there, and a
// Parse of it may fail by now.
func (x *exchange) parseTwice(m wire.ParseMessage, size int) {
	x.ensure(taken)
	e := x.effectOfParsed(m.Text, m.OIDs) // PostgreSQL looks at the name last
	x.due.push(answer{kind: 'P', st: &statement{Statement: taken.Statement, targetName: string(m.Name)}, pins: x.analysesAs(&e)})
	x.parseAs(taken.Name, m, size)
}

// adds notes that the upstream gets st.
func (x *exchange) adds(st *statement) {
	x.up.Prepared.Add(&st.Statement)
	x.up.Prepared.Stamp(&st.Statement, x.s.env.dictionary.clock.Load())
}

// ensure adds a Parse of st in front of the next message if the upstream does
// not have it. If it fails, that is the failure of the message.
func (x *exchange) ensure(st *statement) {
	if has, _ := x.up.Prepared.Has(&st.Statement); has {
		return
	}
	x.asPrepared(st, func() { x.add(st) })
}

// add is ensure for a statement that the upstream does not have, and that means under
// the present settings what it is to mean.
func (x *exchange) add(st *statement) {
	x.pool().stats.Parses.Add(x.shard(), 1)
	x.layTargets(st)
	x.adds(st)
	x.due.push(answer{kind: 'P', fate: swallowed, adds: true, st: st, pins: x.analyses(st)})
	x.toUp.insert(func(out []byte) []byte {
		return wire.AppendParse(out, st.Name, st.Text, []byte(st.OIDs))
	})
	x.liftTargets(st)
}

// someStatement stands for an unnamed statement that the upstream may have and
// weir does not know.
var someStatement upstream.Statement

// ensureUnnamed does the same for the unnamed statement. Where the client has
// none, the upstream must not have another client's.
func (x *exchange) ensureUnnamed() {
	st := x.s.unnamed
	switch {
	case st == nil && x.up.Prepared.Unnamed != nil:
		x.up.Prepared.Unnamed = nil
		x.s.unnamedSpan = x.s.span
		x.due.push(answer{kind: 'C', fate: swallowed, unnamed: true})
		x.toUp.insert(func(out []byte) []byte {
			return wire.AppendTarget(out, wire.Close, wire.Statement, "")
		})
	case st != nil && x.up.Prepared.Unnamed != &st.Statement:
		x.pool().stats.Parses.Add(x.shard(), 1)
		x.asPrepared(st, func() {
			x.layTargets(st)
			x.up.Prepared.Unnamed = &st.Statement
			x.s.unnamedSpan = x.s.span
			x.due.push(answer{kind: 'P', fate: swallowed, unnamed: true, st: st, pins: x.analyses(st)})
			x.toUp.insert(func(out []byte) []byte { return wire.AppendParse(out, "", st.Text, []byte(st.OIDs)) })
		})
		x.liftTargets(st)
	}
}

// evict closes statements on the upstream beyond its limit. It is done where a
// group begins, so that no failure in front of the Close can have it skipped.
func (x *exchange) evict() {
	for {
		old := x.up.Prepared.Surplus()
		if old == nil {
			return
		}
		x.due.push(answer{kind: 'C', fate: swallowed})
		x.toUp.insert(func(out []byte) []byte {
			return wire.AppendTarget(out, wire.Close, wire.Statement, old.Name)
		})
	}
}

// bind handles Bind, which may be there only in part: its values can be long.
func (x *exchange) bind(size int) bool {
	body := x.toUp.body(size)
	portal, name, rest, err := wire.ReadBind(body)
	if have := x.toUp.have(size); err != nil && have < min(size, longestText) {
		x.send()
		x.toUp.grow(min(size, 2*have)) // its names are longer than the buffer
		return false
	}
	if err != nil {
		x.refuse(violation("malformed Bind message; the connection is closed"))
		return true
	}
	st, p := x.s.lookup(name)
	if x.unsettled(name, p) || x.waitsForStray(portal) {
		return false
	}
	st, ok, done := x.current(x.ownIfUnsure(st, p), p, size)
	if !ok {
		return done
	}
	if ok, done := x.asKnown(st, p, name, size); !ok {
		return done
	}
	var e *effect
	need, wait := "", false
	if st != nil {
		e = x.withMentioned(x.effectOf(st))
		if need, wait = x.needOf(e.kinds); wait || x.waitsForNames(e) {
			return false
		}
	}
	if st != nil && e.kinds&listenKind != 0 && x.awaitHub(wire.Bind, size) {
		return true
	}
	if st != nil && e.waits() && !x.relieve(false) {
		return true
	}
	again, ok := x.reclaims(e)
	if !ok {
		return false
	}
	if (signals(st) || st != nil && e.maySeed) && !x.toUp.whole(size) && size <= longestText {
		x.send()
		x.toUp.grow(size) // its values are looked at
		return false
	}
	var pins reasons
	if st == nil || st.unseen {
		x.atStake(1 << sqltext.Unknown)
	}
	if st != nil {
		if ok, done := x.permit(e, size); !ok {
			return done
		}
		if e.mentions != nil {
			x.notePrepared(e.mentions, []byte(st.Text))
		}
		x.leaves(e)
		x.bound, pins = st, e.pins|seedOf(e, rest, x.toUp.whole(size))
		if e.unknown {
			pins &^= unclear // PostgreSQL looks for it when it is executed
		}
	}
	x.send()
	x.meetNeed(need, e, false)
	if again {
		x.reclaim(false)
	}
	if x.stray && len(portal) == 0 {
		x.dropStray() // the Bind may fail
	}
	was := x.notePortal(portal, st, e)
	if st != nil {
		x.align(e.mentions, false)
		x.dropOthersOf(e)
	}
	if other := x.aimBind(st, rest); other != nil {
		st = other
	} else {
		x.prepare(st, name)
	}
	x.s.snapshot.binds(portal)
	x.due.push(answer{kind: 'B', st: st, pins: pins, name: p.kept(), portal: was, first: p.firstUse(), stamp: x.checks.at})
	x.checks.at = 0
	x.rename(wire.Bind, size, wire.HeaderSize+len(portal)+1, name, st)
	return true
}

// prepare makes sure that the upstream has what the client calls name.
func (x *exchange) prepare(st *statement, name []byte) {
	switch {
	case len(name) == 0:
		x.ensureUnnamed()
	case st != nil:
		x.ensure(st)
	case x.up.Prepared.Aliased() && x.up.Prepared.Alias(string(keyed(name))) != nil,
		reserved(name):
		x.dropAlias(string(keyed(name))) // the client has closed it, or it is another's
	}
}

// rename forwards a message with the client's name of a statement, which
// begins at byte at of the message, replaced by the upstream's.
func (x *exchange) rename(typ byte, size, at int, name []byte, st *statement) {
	to := upstreamName(name, st)
	if to == "" && len(name) == 0 {
		x.toUp.keep(size)
		return
	}
	head := x.toUp.buf[x.toUp.seen+wire.HeaderSize : x.toUp.seen+at]
	x.toUp.replace(size, at+len(name)+1, func(out []byte) []byte {
		out = wire.AppendHeader(out, typ, size-len(name)+len(to))
		out = append(out, head...)
		return wire.AppendCString(out, to)
	})
}

// upstreamName is what the upstream calls the client's statement. A name that
// the client has not prepared stays, so that the server's error names it; see
// prepare.
func upstreamName(name []byte, st *statement) string {
	switch {
	case len(name) == 0:
		return ""
	case st != nil:
		return st.Name
	}
	return string(name)
}

// forgets reports whether others are prepared no more once st has run.
func (s *statement) forgets() bool {
	return forgetful&(1<<s.kind) != 0
}

// portalNote is what was known of a portal before a Bind.
type portalNote struct {
	name      string
	was, made *statement // before and after it, nil where nothing had to be noticed
}

// notePortal remembers a portal whose statement has to be noticed when it runs,
// which may be in a later group of its transaction. It returns what to do should
// the Bind fail, nil for nothing. The effect is nil where st is.
func (x *exchange) notePortal(portal []byte, st *statement, e *effect) *portalNote {
	notices := st != nil && (st.effect.resets != nil || st.effect.rereads || x.follows(1<<st.kind) || st.forgets() || e.mentions != nil || (mayCopy|mayReturn)&(1<<st.kind) != 0)
	if !notices && len(x.portals) == 0 {
		return nil
	}
	note := &portalNote{name: string(portal), was: x.portals[string(portal)]}
	if notices {
		note.made = st
	}
	x.setPortal(note.name, note.made)
	return note
}

func (x *exchange) setPortal(name string, st *statement) {
	if st == nil {
		delete(x.portals, name)
		return
	}
	if x.portals == nil {
		x.portals = make(map[string]*statement)
	}
	x.portals[name] = st
}

// describe handles Describe.
func (x *exchange) describe(size int) bool {
	kind, name, err := wire.ReadTarget(x.toUp.body(size))
	if err != nil {
		x.refuse(violation("malformed Describe message; the connection is closed"))
		return true
	}
	if kind != wire.Statement {
		bound := x.portals[string(name)]
		if bound != nil && x.waitsForNames(&bound.effect) || x.waitsForStray(name) {
			return false
		}
		x.send()
		if x.stray && len(name) == 0 {
			x.dropStray()
		}
		if bound != nil {
			x.align(bound.effect.mentions, false)
		}
		x.toUp.keep(size)
		x.due.push(answer{kind: 'D'})
		return true
	}
	st, p := x.s.lookup(name)
	if x.unsettled(name, p) {
		return false
	}
	if st != nil && x.waitsForNames(&st.effect) {
		return false
	}
	st, ok, done := x.current(x.ownIfUnsure(st, p), p, size)
	if !ok {
		return done
	}
	x.send()
	if st != nil {
		x.align(st.effect.mentions, false)
	}
	x.prepare(st, name)
	x.due.push(answer{kind: 'D', st: st, name: p.kept()})
	x.rename(wire.Describe, size, wire.HeaderSize+1, name, st)
	return true
}

// closeTarget handles Close. A named statement is only forgotten for this
// client: others may use it on the upstream.
func (x *exchange) closeTarget(size int) bool {
	kind, name, err := wire.ReadTarget(x.toUp.body(size))
	if err != nil {
		x.refuse(violation("malformed Close message; the connection is closed"))
		return true
	}
	if kind == wire.Statement && len(name) > 0 {
		if _, p := x.s.lookup(name); x.unsettled(name, p) {
			return false
		}
	}
	x.send()
	if kind != wire.Statement {
		x.toUp.keep(size)
		x.due.push(answer{kind: 'C'})
		return true
	}
	if len(name) == 0 {
		x.due.push(answer{kind: 'C', unnamed: true})
		x.s.assumeUnnamed(nil)
		x.up.Prepared.Unnamed = nil
		x.toUp.keep(size)
		return true
	}
	if x.s.find(name) == nil {
		// One that SQL has prepared, or none.
		x.remains.ended |= prepares
		x.prepare(nil, name)
		x.due.push(answer{kind: 'C'})
		x.rename(wire.Close, size, wire.HeaderSize+1, name, nil)
		return true
	}
	id := string(keyed(name))
	x.due.push(answer{kind: 'C', fate: faked, name: id, prev: x.s.unsetNamed(id)})
	x.toUp.discard(size)
	return true
}

// refusedName names a statement that no upstream has.
var refusedName = namePrefix + "?"

// provoke has the server refuse a message that weir refuses, by sending one
// that cannot succeed: only so does the server's transaction fail as well. The
// client gets err.
func (x *exchange) provoke(size int, err *sqlstate.Error) {
	x.due.push(answer{kind: 'D', fate: replaced, err: err})
	x.toUp.discard(size)
	x.toUp.insert(func(out []byte) []byte {
		return wire.AppendTarget(out, wire.Describe, wire.Statement, refusedName)
	})
}
