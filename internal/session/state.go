// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// What a statement leaves behind in the session would stay on the upstream,
// where the next client would find it. Settings can follow the client: when a
// transaction may have changed some, PostgreSQL is asked what they are now.
// Everything else pins: the client keeps its upstream until DISCARD ALL or the
// end of its session, when the upstream is made as new.

// effect is what a text may leave behind.
type effect struct {
	kinds   sqltext.Kinds
	touches bool     // settings that PostgreSQL does not report
	hidden  []string // those among them that PostgreSQL does not list either
	pin     string   // why the client has to keep its upstream, "" where it need not
}

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
		if plain&(1<<kind) != 0 && bytes.IndexByte(text, '(') < 0 && (kind != sqltext.Select || !mentionsInto(text)) {
			return effect{kinds: 1 << kind}
		}
	}
	sum := sqltext.Scan(text)
	e := effect{kinds: sum.Kinds}
	if sum.Flags&sqltext.Unterminated != 0 {
		return e // PostgreSQL refuses it
	}
	if sum.Kinds&touching != 0 {
		e.addSets(text)
	}
	if sum.Flags&sqltext.SetConfig != 0 {
		e.addSetConfigs(text)
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

// mentionsInto reports whether the text of a SELECT has the letters of INTO
// anywhere: SELECT … INTO TEMP makes a table.
func mentionsInto(text []byte) bool {
	for i := 0; i+8 < len(text); i++ {
		if text[i]|0x20 == 'i' && text[i+1]|0x20 == 'n' && text[i+2]|0x20 == 't' && text[i+3]|0x20 == 'o' {
			return true
		}
	}
	return false
}

// addSets notes what SET and RESET statements touch. search_path is reported from
// version 18 on; asking once more does no harm.
func (e *effect) addSets(text []byte) {
	for at := 0; ; {
		st, next, ok := sqltext.Next(text, at)
		if !ok {
			return
		}
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

// addSetConfigs notes what calls of set_config touch. Where the name is not
// written out, nobody knows what follows the client.
func (e *effect) addSetConfigs(text []byte) {
	e.touches = true
	lower := bytes.ToLower(text)
	for {
		_, after, ok := bytes.Cut(lower, []byte("set_config"))
		if !ok {
			return
		}
		lower = after
		after = bytes.TrimLeft(after, " \t\r\n\"")
		if len(after) == 0 || after[0] != '(' {
			continue // not a call
		}
		after, literal := bytes.CutPrefix(bytes.TrimLeft(after[1:], " \t\r\n"), []byte("'"))
		name, _, ended := bytes.Cut(after, []byte("'"))
		if !literal || !ended {
			e.pin = "set_config of a name that is not written out"
			return
		}
		e.add(string(name))
	}
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

// leaves notes what a statement that is sent may leave behind.
func (x *exchange) leaves(e effect) {
	x.asking |= e.kinds
	x.redefines = x.redefines || e.kinds&redefining != 0
	x.touched = x.touched || e.touches
	x.hidden = append(x.hidden, e.hidden...)
	if e.pin != "" && (x.pin == "" || x.pin == unknownStatement) {
		x.pin = e.pin
	}
}

// keep pins the client for what the statements that have ended may have left.
func (x *exchange) keep() {
	if x.pin != "" && x.s.pin == "" {
		x.s.pin = x.pin
		x.s.env.log.Info("a client keeps its connection to PostgreSQL until it leaves or sends DISCARD ALL", "because", x.pin, "client", x.s.describe())
	}
	x.pin = ""
}

// leftNothing takes in that a statement failed. Locks and the like outlive a
// rollback, but what PostgreSQL did not understand has done nothing.
func (x *exchange) leftNothing() {
	if x.pin == unknownStatement {
		x.pin = ""
	}
}

// redefining are the kinds that may change what other statements return.
const redefining = 1<<sqltext.DDL | 1<<sqltext.CreateRoutine | 1<<sqltext.Do | 1<<sqltext.Call | 1<<sqltext.Unknown

// redefined notes, at the end of a transaction, that it may have changed the
// schema. Not before: until then, others still prepare by the old one.
func (x *exchange) redefined() {
	if x.redefines && x.status == wire.Idle {
		x.redefines = false
		x.s.env.dictionary.schema.Add(1)
	}
}

// keeps reports whether the client has its upstream until it leaves.
func (x *exchange) keeps() bool { return x.s.pin != "" || x.pool().sessionMode() }

// settingsQuery asks for the settings of the session. Names and operators are
// qualified, because the search_path is the client's.
const settingsQuery = `SELECT s.name, s.setting FROM pg_catalog.pg_settings s ` +
	`WHERE s.source OPERATOR(pg_catalog.=) 'session' AND s.name OPERATOR(pg_catalog.!~~) 'transaction%'`

// learn asks the upstream what settings the client has now. One that is back to
// its default is, for this client, what it asked for at login.
func (x *exchange) learn() {
	var sql strings.Builder
	sql.WriteString(settingsQuery)
	for _, name := range x.hiddenNames() {
		quoted := quoteValue(name)
		sql.WriteString(" UNION ALL SELECT " + quoted + ", pg_catalog.current_setting(" + quoted + ", true)")
	}
	x.touched, x.hidden = false, nil
	x.rowsOf = make(map[string]string)
	err := x.command(sql.String())
	has := x.rowsOf
	x.rowsOf = nil
	if err != nil {
		x.discardUpstream("it did not say what settings it has: " + err.Error())
		return
	}
	x.up.settings = settingsOf(has)
	wants := x.s.start.values()
	maps.Copy(wants, has)
	x.s.changeSettings(settingsOf(wants))
}

// hiddenNames are the settings to ask for one by one: those that were touched, and
// those that the client or the upstream has.
func (x *exchange) hiddenNames() []string {
	names := x.hidden
	for _, m := range []map[string]string{x.s.settings.values(), x.up.settings.values()} {
		for name := range m {
			if isHidden(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// row takes a row of two columns that answers a query of weir's own.
func (x *exchange) row(body []byte) {
	name, rest, ok := wire.Column(body[2:])
	if !ok {
		return
	}
	value, _, ok := wire.Column(rest)
	if ok && value != nil { // null: there is no such setting
		x.rowsOf[strings.ToLower(string(name))] = string(value)
	}
}
