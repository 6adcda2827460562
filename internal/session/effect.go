// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
)

// What a statement leaves behind in the session would stay on the upstream,
// where the next client would find it. Settings can follow the client: when a
// transaction may have changed some, PostgreSQL is asked what they are now.
// Everything else pins: the client keeps its upstream until DISCARD ALL or the
// end of its session, when the upstream is made as new.

// effect is what a text may leave behind.
type effect struct {
	kinds   sqltext.Kinds
	sets    bool     // settings, for longer than the transaction
	touches bool     // settings that PostgreSQL does not report
	hidden  []string // those among them that PostgreSQL does not list either
	resets  []reset  // statements that give a setting its default
	pin     string   // why the client has to keep its upstream, "" where it need not
	signals bool     // it may signal backends
	vacates []string // databases that nobody may be connected to while it runs
}

// unread is the effect of a text that is too long to be read whole.
var unread = effect{kinds: 1 << sqltext.Unknown, sets: true, touches: true, pin: "a query too long for weir to read"}

// Kinds and flags that leave something behind.
const (
	touching     = 1<<sqltext.Set | 1<<sqltext.Reset | 1<<sqltext.ResetAll | 1<<sqltext.SetCharacteristics
	pinning      = 1<<sqltext.Prepare | 1<<sqltext.DeclareWithHold | 1<<sqltext.Listen | 1<<sqltext.Load | 1<<sqltext.CreateTemp | 1<<sqltext.Unknown
	pinningFlags = sqltext.AdvisoryLock | sqltext.Sequence | sqltext.Temp | sqltext.Session | sqltext.Escaped
)

// effectOf returns what a text may leave behind. Most texts are one statement
// that calls nothing, and show that quickly.
func effectOf(text []byte) effect {
	if i := bytes.IndexByte(text, ';'); i < 0 || i == len(text)-1 {
		kind := sqltext.First(text).Kind
		if plain&(1<<kind) != 0 && bytes.IndexByte(text, '(') < 0 && !mentions(kind, text) {
			return effect{kinds: 1 << kind}
		}
	}
	sum := sqltext.Scan(text)
	e := effect{kinds: sum.Kinds}
	if sum.Flags&sqltext.Unterminated != 0 {
		return e // PostgreSQL refuses it
	}
	e.sets = sum.Kinds&(touching|1<<sqltext.DiscardAll) != 0
	if sum.Kinds&(touching|1<<sqltext.SetLocal|1<<sqltext.DiscardAll) != 0 {
		e.addSets(text)
	}
	if sum.Kinds.Has(sqltext.Do) {
		e.sets, e.touches = true, true // its body is code
	}
	if sum.Flags&sqltext.SetConfig != 0 {
		e.addSetConfigs(text)
	}
	e.signals = sum.Flags&sqltext.Signal != 0
	if sum.Kinds&aboutDatabases != 0 {
		e.vacates = databasesIn(text)
	}
	if sum.Kinds&pinning != 0 || sum.Flags&pinningFlags != 0 {
		e.pin = pinReason(sum)
	}
	return e
}

// plain are the kinds that leave nothing behind if they call no function and
// make no table.
const plain = 1<<sqltext.Select | 1<<sqltext.Insert | 1<<sqltext.Update | 1<<sqltext.Delete |
	1<<sqltext.Begin | 1<<sqltext.Commit | 1<<sqltext.Rollback | 1<<sqltext.Savepoint | 1<<sqltext.Release |
	1<<sqltext.RollbackTo | 1<<sqltext.SetTransaction | 1<<sqltext.Empty | 1<<sqltext.Show | 1<<sqltext.SetLocal

// mentions reports whether a text without a call has the letters of what may leave
// something behind all the same: SELECT … INTO TEMP makes a table, UPDATE
// pg_settings is a spelling of SET, and SET LOCAL may give a default.
func mentions(kind sqltext.Kind, text []byte) bool {
	return kind == sqltext.Select && contains(text, "into") ||
		kind == sqltext.Update && contains(text, "settings") ||
		kind == sqltext.SetLocal && (contains(text, "default") || contains(text, "zone") || contains(text, "names"))
}

// contains reports whether the text has the word, which is in lower case, in any
// case.
func contains(text []byte, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		if text[i]|0x20 == word[0] && strings.EqualFold(string(text[i:i+len(word)]), word) {
			return true
		}
	}
	return false
}

// addSets notes what SET and RESET statements touch. search_path is reported from
// version 18 on; asking once more does no harm.
func (e *effect) addSets(text []byte) {
	at := 0
	for count := 0; ; count++ {
		st, next, ok := sqltext.Next(text, at)
		if !ok {
			return
		}
		e.addReset(text, st, count)
		if touching&(1<<st.Kind) != 0 && (!followed[st.Name] || st.Name == "search_path") {
			e.add(st.Name)
		}
		at = next
	}
}

// add notes one setting.
func (e *effect) add(name string) {
	e.touches = true
	if name = strings.ToLower(name); isHidden(name) && !slices.Contains(e.hidden, name) {
		e.hidden = append(e.hidden, strings.Clone(name))
	}
}

// isHidden reports whether pg_settings leaves the setting out: PostgreSQL's own
// that are marked so (GUC_NO_SHOW_ALL), and those that a program made up.
func isHidden(name string) bool {
	return name == "role" || name == "session_authorization" || strings.Contains(name, ".")
}

// pinReason says what holds the client to its upstream.
func pinReason(sum sqltext.Summary) string {
	for _, r := range [...]struct {
		kinds  sqltext.Kinds
		flags  sqltext.Flags
		reason string
	}{
		{1 << sqltext.Listen, 0, "LISTEN"},
		{0, sqltext.AdvisoryLock, "a session advisory lock"},
		{1 << sqltext.CreateTemp, sqltext.Temp, "a temporary table"},
		{1 << sqltext.Prepare, 0, "PREPARE"},
		{1 << sqltext.DeclareWithHold, 0, "a cursor WITH HOLD"},
		{1 << sqltext.Load, 0, "LOAD"},
		{0, sqltext.Sequence, "currval or lastval"},
		{0, sqltext.Session, "a function that keeps state in the session"},
	} {
		if sum.Kinds&r.kinds != 0 || sum.Flags&r.flags != 0 {
			return r.reason
		}
	}
	return unknownStatement
}

// unknownStatement is the reason for what sqltext cannot read. Mostly PostgreSQL
// cannot either, and then it has left nothing.
const unknownStatement = "a statement that weir does not understand"
