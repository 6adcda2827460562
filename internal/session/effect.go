// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/sqltext"
)

// What a statement leaves behind in the session would stay on the upstream,
// where the next client would find it. Settings can follow the client: when a
// transaction may have changed some, PostgreSQL is asked what they are now.
// Everything else pins, see pin.go.

// effect is what a text may leave behind.
type effect struct {
	kinds     sqltext.Kinds
	sets      bool     // settings, for longer than the transaction
	locals    bool     // settings that may be in a statement's key, for the transaction only
	touches   bool     // settings that PostgreSQL does not report
	hidden    []string // those among them that PostgreSQL does not list either
	guarded   []string // those that not everybody may see, or set
	resets    []reset  // statements that give a setting its default
	pins      reasons  // why the client may have to keep its upstream
	unpins    reasons  // what of that it may end
	tentative bool     // it is likely to leave nothing of what pins
	notifies  bool     // by NOTIFY or pg_notify
	signals   bool     // it may signal backends
	uses      bool     // it may use a sequence
	reads     bool     // it may read what the session remembers of sequences, unseen
	names     bool     // it makes what may, later
	channels  bool     // it asks what the session listens to
	vacates   []string // databases that nobody may be connected to while it runs
	hinges    quoting  // what would make all of this uncertain
	rereads   bool     // it may change how later texts are read
	anybody   bool     // it may have changed who the session is, or any setting that a program made up
	makes     bool     // it makes relations, types or routines
	maySeed   bool     // it sets a setting that a parameter names, which may be the seed
	unbound   bool     // it uses relations whose names it is given
	defines   bool     // it makes, changes or drops anything that has a name
	into      bool     // it makes a table by SELECT … INTO, or in EXPLAIN
	single    bool     // it is one statement, of which an error leaves nothing
	shows     bool     // a routine that it calls may read the text, with its comments
	reverts   bool     // it may give any setting its default, unseen
	configs   []string // settings that set_config sets, to a default where the value is null
	defaults  []string // settings that get their defaults out of sight, or "all"
	nulls     []string // those that may, by a value; "" is any; see routine.Effect

	calls   []string     // names that code in it mentions, beside its own
	newest  uint32       // the highest oid of the types of its parameters that did not come with PostgreSQL
	parsing *effect      // what its Parse may leave behind, beyond what the text shows; see analysed
	made    routine.Code // what routines leave and call that it makes

	mentions     []sqltext.Mention // the prepared statements that it names
	anyStatement bool              // it may run prepared statements whose names it makes up
	unknown      bool              // it is EXECUTE of what nobody knows, see withMentioned
}

// unread is the effect of a text that is too long to be read whole, or that cannot
// be read with certainty.
var unread = effect{kinds: 1 << sqltext.Unknown, sets: true, touches: true, pins: unclear, unpins: provable, hinges: anyhow, rereads: true, uses: true, reads: true, anybody: true, makes: true, defines: true, anyStatement: true, reverts: true, shows: true, nulls: anyName}

// anyName is any setting in an effect's nulls.
var anyName = []string{""}

// touching are the kinds that change settings.
const touching = 1<<sqltext.Set | 1<<sqltext.Reset | 1<<sqltext.ResetAll | 1<<sqltext.SetCharacteristics

// effectOf returns what a text may leave behind, if PostgreSQL reads it so. All
// that weir does because of a client's text goes by this, so that a text which
// may say something else than it seems to is nothing but [unread].
//
// Most texts are one statement that calls nothing, and show that quickly, however
// they are read: the bytes that are missing, a semicolon and a parenthesis, are
// no part of any longer character, and the words that begin the statement stand in
// front of every string. Only what a name in it means may differ.
func effectOf(text []byte, r quoting) effect {
	if i := bytes.IndexByte(text, ';'); i < 0 || i == len(text)-1 {
		first := sqltext.First(text)
		kind := first.Kind
		if plain&(1<<kind) != 0 && !seeds(first) && bytes.IndexByte(text, '(') < 0 && !mentions(kind, text) {
			e := effect{kinds: 1 << kind, uses: usesSequences(1<<kind, false)}
			if kind == sqltext.SetLocal {
				e.locals, e.rereads = !meaningless[first.Name], rereads(first.Name)
			}
			return e
		}
	}
	sum := sqltext.Scan(text)
	e := effect{kinds: sum.Kinds, hinges: hinges(sum.Flags)}
	if e.hinges&r != 0 {
		return unread
	}
	if sum.Flags&sqltext.Unterminated != 0 {
		return e // PostgreSQL refuses it
	}
	e.single = sum.Count == 1 && sum.Kinds&unseen == 0
	e.mentions = mentionsIn(text, sum)
	e.notifies = sum.Kinds&(1<<sqltext.Notify) != 0 || sum.Flags&sqltext.Notifies != 0
	e.sets = sum.Kinds&(touching|1<<sqltext.DiscardAll) != 0
	if sum.Kinds&(touching|1<<sqltext.SetLocal|1<<sqltext.DiscardAll) != 0 {
		e.addSets(text)
	}
	if sum.Flags&sqltext.SetConfig != 0 {
		e.addSetConfigs(text)
		if e.maySeed && sum.Kinds.Has(sqltext.Prepare) {
			e.pins |= functions // EXECUTE may give it the seed's name, in code too
		}
	}
	e.signals = sum.Flags&sqltext.Signal != 0
	if sum.Kinds&aboutDatabases != 0 {
		e.vacates = databasesIn(text)
	}
	e.pins |= leaving.of(sum)
	e.uses = usesSequences(sum.Kinds, bytes.IndexByte(text, '(') >= 0)
	e.reads, e.names = readsSequences(sum, text), namesSequences(sum, text)
	e.channels = contains(text, "pg_listening_channels")
	e.tentative = e.pins&^(locks|sequences) == 0 && sum.Flags&sqltext.AdvisoryWait == 0
	e.unpins = removing.of(sum)
	e.rereads = e.rereads || sum.Kinds&unseen != 0
	e.into = sum.Kinds&(1<<sqltext.Select|1<<sqltext.With|1<<sqltext.ExplainAnalyze) != 0 && selectsInto(text)
	e.makes = sum.Kinds&defining != 0 || e.into
	e.defines = sum.Kinds&(defining|1<<sqltext.Unknown) != 0 || e.into
	if sum.Kinds.Has(sqltext.Do) {
		if e.addDo(text); e.hinges&r != 0 {
			return unread
		}
	}
	if sum.Flags&sqltext.Runs != 0 {
		e.addCode(routine.Read("sql", string(text)))
	}
	if sum.Kinds.Has(sqltext.CreateRoutine) {
		e.made = routine.Read("sql", string(text)) // it may be called before it is in the catalog
		if sum.Count > 1 {
			e.addCode(e.made) // it may be called in the same text
		}
	}
	return e
}

// unseen are the kinds of statements that run what their text does not show.
const unseen = 1<<sqltext.Do | 1<<sqltext.Call | 1<<sqltext.Execute | 1<<sqltext.Unknown

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

// selectsInto reports whether a query in a text may make a table, or EXPLAIN does.
func selectsInto(text []byte) bool {
	if contains(text, "explain") && contains(text, "create") {
		return true
	}
	if !contains(text, "into") {
		return false
	}
	list, ok := sqltext.Elements(text)
	return !ok || routine.SelectsInto(list)
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
		e.locals = e.locals || st.Kind == sqltext.SetLocal && !meaningless[st.Name]
		if seeds(st) {
			e.pins |= functions
		}
		if (touching|1<<sqltext.SetLocal|1<<sqltext.DiscardAll)&(1<<st.Kind) != 0 {
			e.rereads = e.rereads || st.Name == "" || rereads(st.Name)
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
	e.rereads = e.rereads || rereads(name)
	switch name = strings.ToLower(name); {
	case !isASCII(name):
		e.pins |= parameters // it is other bytes in other encodings
	case isHidden(name):
		if !slices.Contains(e.hidden, name) {
			e.hidden = append(e.hidden, strings.Clone(name))
		}
	case name != "" && name != seedSetting && !meaningless[name] && !slices.Contains(e.guarded, name):
		e.guarded = append(e.guarded, strings.Clone(name))
	}
}

// isHidden reports whether pg_settings leaves the setting out: PostgreSQL's own
// that are marked so (GUC_NO_SHOW_ALL), and those that a program made up.
func isHidden(name string) bool {
	return name == "role" || name == "session_authorization" || strings.Contains(name, ".")
}
