// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// A client's settings are brought to the upstream that it gets. Those that
// PostgreSQL cannot refuse go ahead of the client's request in the same write;
// for the others its answer is waited for, because nothing may run under wrong
// settings.

// advance is what goes ahead of a client's request.
type advance struct {
	script []byte      // brings the client's settings; its storage is used again
	over   func() bool // ends the time for its answer; nil where none is awaited
}

// lore is what PostgreSQL has told of its settings. It is nil until a pool's first
// login has asked; then nothing is taken for sure.
type lore struct {
	// free holds the settings that every role may set at any time, by their
	// names in lower case: a value that was accepted once always will be.
	free map[string]bool

	// keywords are the words that stand for an identifier only in quotes.
	keywords map[string]bool

	// began is who a session is at first: the settings in identity. It is empty
	// where the first client began as somebody else.
	began map[string]string
}

// loreQuery asks for the settings of context user, behind a quote for the
// keywords that are not free as names (PostgreSQL: quote_identifier), and for who
// the session is.
const loreQuery = `SELECT name, 'free' FROM pg_catalog.pg_settings WHERE context OPERATOR(pg_catalog.=) 'user' ` +
	`UNION ALL SELECT pg_catalog.concat('"', word), '' FROM pg_catalog.pg_get_keywords() WHERE catcode OPERATOR(pg_catalog.<>) 'U' ` +
	`UNION ALL SELECT i, pg_catalog.current_setting(i) FROM pg_catalog.unnest('{session_authorization,role}'::pg_catalog.text[]) i`

// fallible are the settings of context user whose values PostgreSQL looks up in
// the catalog, where they may be gone by now, or takes only in a fresh session
// (guc.c: the check hooks that look further than the value).
var fallible = map[string]bool{
	"default_table_access_method": true,
	"default_tablespace":          true,
	"default_text_search_config":  true,
	"temp_buffers":                true,
	"temp_tablespaces":            true,
}

// loreOf reads the answer to loreQuery of a session that was asked for some
// settings.
func loreOf(rows map[string]string, asked Settings) *lore {
	l := &lore{free: make(map[string]bool), keywords: make(map[string]bool), began: make(map[string]string)}
	if !asked.identifies() {
		for _, name := range identity {
			l.began[name] = rows[name]
			delete(rows, name)
		}
	}
	for name, what := range rows {
		if word, ok := strings.CutPrefix(name, `"`); ok {
			l.keywords[word] = true
		} else if what == "free" && !fallible[name] {
			l.free[name] = true
		}
	}
	return l
}

// bring gives the upstream the client's settings. Where the client holds something
// there, or may, no other upstream will do.
func (x *exchange) bring(held bool) bool {
	up, s := x.up, x.s
	if up.settings == s.settings && !up.relieved {
		return true
	}
	from := up.given()
	script := x.pool().lore.Load().replayAs(x.pool().asLogin(), x.advance.script[:0], from, s.settings)
	x.advance.script = script.sql
	if script.sure && s.accepted && !x.keeps() && s.shield() {
		x.goAhead()
	} else if err := x.bringAnyhow(from); err != nil {
		return x.notBrought(err, held)
	}
	up.settings = s.settings
	up.unrelieve()
	return true
}

// bringAnyhow is bringWaiting on an upstream on which something may be set that
// cannot be taken back by itself, because the login has lost the privilege or the
// library that had the setting was loaded: then everything is set anew. RESET ALL
// asks for no privilege, and knows what there is.
func (x *exchange) bringAnyhow(from Settings) error {
	err := x.bringWaiting(from)
	if err == nil || x.up == nil || from == noSettings || from == unknownSettings {
		return err
	}
	x.advance.script = x.pool().lore.Load().replayAs(x.pool().asLogin(), x.advance.script[:0], unknownSettings, x.s.settings).sql
	return x.bringWaiting(unknownSettings)
}

// notBrought gives up an upstream that did not take the client's settings. Where
// PostgreSQL has refused their values, and not for what was done there before, that is
// an answer to the client, and the upstream is as good as before: the next one has
// everything set anew. It reports whether the client does without what was refused.
func (x *exchange) notBrought(err error, held bool) bool {
	up := x.up
	switch {
	case up == nil:
		x.lostUnused(err)
		return false
	case held || !x.blamesPast(err):
		if !held && x.s.accepted && x.s.forgoes(sqlstate.From(err)) {
			x.changes.settled = x.s.settings
			return x.bring(false)
		}
		x.s.refused = err
		code := sqlstate.From(err).Code
		if !held && x.status == wire.Idle && (strings.HasPrefix(string(code), "22") || strings.HasPrefix(string(code), "42")) {
			up.settings = unknownSettings
			x.letGo()
			return false
		}
	}
	x.discardUpstream("it did not take a client's settings: " + err.Error())
	return false
}

// blamesPast reports whether an upstream may have refused settings for what was done
// with it before: somebody has loaded a library that has a setting of that name, or has
// reserved it; or a privilege was taken away. Then another is tried. What an upstream
// without a past has refused too is not tried again for a while, nor is the whole pool
// closed for it.
func (x *exchange) blamesPast(err error) bool {
	possible := false
	switch sqlstate.From(err).Code {
	case insufficientPrivilege, invalidName, sqlstate.UndefinedObject: // a privilege, a name that is reserved
		possible = x.s.accepted || len(hiddenIn(x.s.settings)) > 0
	case sqlstate.InvalidParameterValue:
		_, possible = x.s.settings.get("temp_buffers")                                   // for good once there was a temporary table
		possible = possible || !x.s.accepted && x.s.settings.madeUpIn(err.Error()) != "" // else see forgoes
	}
	return possible && x.pool().refusals.blame(x.s.settings, x.up.handed)
}

// bringAgain is bring where the client has the upstream already. What the last
// transaction has set comes before what is remembered. A client that held
// something there and loses it over this is sent away.
func (x *exchange) bringAgain() bool {
	held, address := x.keeps(), x.up.Address()
	if x.changes.touched {
		x.learn()
	}
	if x.up != nil && (x.fits() || x.bring(held)) {
		return true
	}
	if held && !x.leaving {
		err := x.s.refused
		if x.s.refused = nil; err == nil {
			err = connectionLost(address)
		}
		x.bereave(err)
	}
	return false
}

// giveBack brings what the client began with after a DISCARD ALL inside a group of
// messages, before the rest of the group. PostgreSQL has committed it by itself,
// whatever becomes of that (xact.c: PreventInTransactionBlock), so this must not
// be part of the rest's transaction either.
func (x *exchange) giveBack(typ byte, size int) bool {
	x.discarded, x.synced = false, true
	if !x.bringAgain() && x.s.refused != nil && typ == wire.Sync {
		x.refuseRequest(wire.Flush, 0) // the Sync comes after it
		return true
	}
	return x.leaving || x.request(typ, size)
}

// bringWaiting runs the script and waits for its end. PostgreSQL reads a text in
// the encoding that the session has, so where the client's is another one and
// its settings are not all ASCII, that comes first.
func (x *exchange) bringWaiting(from Settings) error {
	to := x.s.settings
	encoding, _ := to.get("client_encoding")
	if had, _ := from.get("client_encoding"); had == encoding || isASCII(to.encoded.Value()) {
		return x.command(string(x.advance.script))
	}
	first, _ := from.without("client_encoding")
	if encoding != "" {
		first = first.with("client_encoding", encoding)
	}
	if from == unknownSettings {
		first, _ = first.without("")
	}
	var none *lore
	if err := x.command(string(none.replayAs(x.pool().asLogin(), nil, from, first).sql)); err != nil {
		return err
	}
	return x.command(string(none.replayAs(x.pool().asLogin(), nil, first, to).sql))
}

// goAhead has the upstream run the script in front of the client's request, in
// the same write. Its answer is not waited for, but has to come in connect_timeout
// as that of any command of weir's own: else the upstream hangs.
func (x *exchange) goAhead() {
	x.advance.over = x.limit(x.pool().config().ConnectTimeout)
	x.up.Prepared.Unnamed = nil // a simple query ends it
	x.due.push(answer{kind: ahead})
	x.toUp.insert(func(out []byte) []byte { return wire.AppendQuery(out, x.advance.script) })
}

// endAhead ends the time that PostgreSQL has to answer what went ahead, and the
// wait of cancels for it.
func (x *exchange) endAhead() {
	if x.advance.over != nil {
		x.advance.over()
		x.advance.over = nil
		x.s.unshield()
	}
}

// refusedAhead takes in that PostgreSQL refused what it cannot refuse. What was
// sent behind it may have run with other settings: its answer is dropped with
// the upstream, and the client is told what is known.
func (x *exchange) refusedAhead(body []byte) {
	err := serverError(body)
	x.due.pop()
	if !x.due.empty() {
		x.fatal = append([]byte(nil), body...)
		x.upstreamLost(err)
		return
	}
	x.s.refused = err
	x.toUp.waste()
	x.toClient.forgetRest()
	x.discardUpstream("it did not take a client's settings: " + err.Error())
}

// lostAhead handles that the upstream was lost before it answered what went
// ahead. It reports whether nothing of the client's had been sent yet: then the
// request goes to another upstream.
func (x *exchange) lostAhead(cause error) bool {
	if a := x.due.first(); a == nil || a.kind != ahead {
		return false
	}
	x.due.pop()
	if !x.due.empty() {
		return false
	}
	x.toUp.waste()
	x.toClient.forgetRest()
	x.discardUpstream("lost: " + cause.Error())
	return true
}
