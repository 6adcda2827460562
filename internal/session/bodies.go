// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/sqltext"
)

// A statement runs more than its text: DO blocks, functions and procedures have
// bodies, and views, triggers, defaults and constraints call them. What these leave
// behind is known from their bodies, see package routine.

// addRoutine notes what code leaves behind that the statement runs.
func (e *effect) addRoutine(r routine.Effect) {
	if r.Empty() {
		return
	}
	const asked = routine.Sets | routine.Computed | routine.Objects | routine.Loads | routine.Keeps | routine.Unknowable | routine.Executes
	if r.Leaves&asked != 0 {
		e.sets, e.touches, e.rereads, e.anybody, e.reverts = true, true, true, true, true
	}
	if r.Leaves&(asked|routine.Locals) != 0 {
		e.locals, e.rereads = true, true
	}
	for _, name := range r.Settings {
		e.add(name)
	}
	e.defaults, e.nulls = slices.Concat(e.defaults, r.Resets), slices.Concat(e.nulls, r.Nulls)
	if r.Leaves&(routine.Computed|routine.Unknowable|routine.Executes) != 0 {
		e.nulls = append(e.nulls, anyName...)
	}
	if r.Leaves&(routine.Objects|routine.Unknowable|routine.Executes) != 0 {
		e.pins, e.unpins = e.pins|opaque, provable
	}
	for _, name := range r.Statements {
		e.mentions = append(e.mentions, sqltext.Mention{Kind: inBody, Name: name})
	}
	e.shows = e.shows || r.Leaves&(routine.Texts|routine.Anything|routine.Unknowable|routine.Executes) != 0
	e.anyStatement = e.anyStatement || r.Leaves&routine.Unknowable != 0
	for _, row := range leftByRoutines {
		if r.Leaves&row.leaves != 0 {
			e.pins |= row.reasons
		}
	}
	e.notifies = e.notifies || r.Leaves&(routine.Notifies|routine.Unknowable) != 0
	e.reads = e.reads || r.Leaves&(routine.Sequences|routine.Unknowable|routine.Executes) != 0
	e.makes = e.makes || r.Leaves&routine.Creates != 0
	e.defines = e.defines || r.Leaves&(routine.Defines|routine.Unknowable) != 0
	e.tentative = e.tentative && e.pins&^(locks|sequences|opaque) == 0
}

// addCode notes what a piece of code leaves behind that is in the statement, and
// what it calls.
func (e *effect) addCode(code routine.Code) {
	e.addRoutine(code.Effect)
	e.unbound = e.unbound || code.Leaves&routine.Anything != 0
	for _, name := range code.Names {
		e.calls = append(e.calls, strings.Clone(name)) // the text is in a buffer
	}
}

// addTypes notes the types of a statement's parameters, as Parse carries them, that did
// not come with PostgreSQL: Bind makes values of them, whatever the statement is, and
// no word of its text need name them.
func (e *effect) addTypes(oids []byte) {
	for i := 2; i+oidSize <= len(oids); i += oidSize {
		if oid := binary.BigEndian.Uint32(oids[i:]); oid >= routine.FirstNormal {
			e.calls, e.newest = append(e.calls, routine.TypeOf(oid)), max(e.newest, oid)
		}
	}
}

// leftByRoutines says for which of what routines leave there is no asking.
var leftByRoutines = []struct {
	leaves  routine.Leaves
	reasons reasons
}{
	{routine.Computed, parameters},
	{routine.Sequences, sequences},
	{routine.Loads, loads},
	{routine.Keeps, functions},
	{routine.Unknowable, unclear},
}

// addDo notes what the DO blocks in a text leave behind. What is in their bodies may
// be read otherwise than it seems to like the rest of the text.
func (e *effect) addDo(text []byte) {
	e.addRoutine(routine.Effect{Leaves: routine.Sets | routine.Objects})
	list, ok := sqltext.Elements(text)
	if !ok {
		e.addRoutine(routine.Effect{Leaves: routine.Unknowable})
		return
	}
	for i := range list {
		if list[i].Name == "do" && !list[i].Quoted && (i == 0 || list[i-1].Byte == ';') {
			language, bodies := bodiesOf(list[i+1:])
			for _, body := range bodies {
				e.hinges |= hinges(sqltext.Scan(body).Flags)
				e.addCode(routine.Read(language, body))
			}
		}
	}
}

// bodiesOf returns the language and the bodies in a statement, up to its semicolon. A
// body that cannot be told is one of a language that nothing is known of.
func bodiesOf(list []sqltext.Element) (language string, bodies []string) {
	language, bodies, ok := routine.Bodies(list)
	if !ok {
		return "", []string{""}
	}
	return language, bodies
}

// plainly are the kinds of statements that run nothing of the database's own.
const plainly = 1<<sqltext.Empty | 1<<sqltext.Begin | 1<<sqltext.Rollback | 1<<sqltext.RollbackTo |
	1<<sqltext.Savepoint | 1<<sqltext.Release | 1<<sqltext.SetTransaction | 1<<sqltext.Set | 1<<sqltext.SetLocal |
	1<<sqltext.Reset | 1<<sqltext.ResetAll | 1<<sqltext.Show | 1<<sqltext.DiscardAll | 1<<sqltext.Listen

// defining are the kinds of statements that make relations, types or routines, or
// change them.
const defining = 1<<sqltext.DDL | 1<<sqltext.CreateRoutine | 1<<sqltext.CreateTemp

// lately is what any statement may leave where the catalog may not say all of it.
var lately = routine.Effect{Leaves: routine.Sets | routine.Objects | routine.Texts}

// lately reports whether what the pool's catalog says may not be all of a statement:
// the transaction has defined something, or somebody else just now, or a parameter is
// of a type that was made after the catalog was read.
func (x *exchange) lately(e *effect) bool {
	c := &x.pool().catalog
	return x.making.defines || x.aged || x.s.env.dictionary.defined.Publishing() || e.newest > c.newest.Load() || c.schema.Load() != x.s.env.dictionary.defined.Count()
}

// withRoutines returns an effect with what the database's routines add to it, where
// PostgreSQL reads the text so.
func (x *exchange) withRoutines(e *effect, text []byte, r quoting) *effect {
	if e.kinds&^plainly == 0 && len(e.calls) == 0 {
		return e
	}
	more := *e
	more.hidden = slices.Clip(more.hidden)
	more.guarded = slices.Clip(more.guarded)
	more.mentions = slices.Clip(more.mentions)
	more.nulls = slices.Clip(more.nulls)
	c := x.pool().catalog.current.Load()
	words, ok := sqltext.Words(text)
	words = append(append(words, routine.Operators(string(text))...), e.calls...)
	if e.unbound || e.kinds&(1<<sqltext.Ordinary|1<<sqltext.DDL) != 0 && slices.ContainsFunc(words, routine.Maintains) {
		words = append(words, routine.Any)
	}
	calls := c.Lookup(words, e.defines, r&foreign == 0)
	made := e.made.With(calls).With(c.Lookup(e.made.Names, false, r&foreign == 0))
	if !ok || x.lately(e) {
		calls = calls.With(lately).With(x.making.effect)
		calls = calls.With(x.s.env.dictionary.defined.Since(x.pool().catalog.schema.Load()))
	}
	if calls = c.Resolved(calls); !calls.Empty() {
		more.addRoutine(calls)
		if calls.Leaves&^routine.Texts != 0 && !postpones(e.kinds, text) {
			more.parsing = &effect{uses: true}
			more.parsing.addRoutine(calls)
		}
	}
	if more.defines {
		more.made.Effect = made
	}
	return &more
}

// found is what the catalog of a pool adds to a statement.
type found struct {
	catalog *routine.Catalog
	effect  *effect
}

// effectOfText is what a text that the client sends may leave behind.
func (x *exchange) effectOfText(text []byte) effect { return x.effectOfParsed(text, nil) }

// effectOfParsed is effectOfText where parameters have types, as Parse carries them.
func (x *exchange) effectOfParsed(text, oids []byte) effect {
	e := x.s.env.dictionary.declared.effectOf(text, x.quoting())
	e.addTypes(oids)
	if !e.makes && x.pool().catalog.current.Load() == nil && !x.lately(&e) {
		return e // nothing is allocated
	}
	return x.fullEffect(e, text)
}

func (x *exchange) fullEffect(e effect, text []byte) effect {
	return *x.located(x.withRoutines(&e, text, x.quoting()))
}

// effectOf is what a statement that is about to be bound may leave behind. It was
// read when it was parsed, and may be parsed again here and now.
func (x *exchange) effectOf(st *statement) *effect {
	if st.effect.hinges != 0 && st.effect.hinges&x.quoting() != 0 {
		return &unread
	}
	c, lately := x.pool().catalog.current.Load(), x.lately(&st.effect)
	if c == nil && !lately {
		return x.located(&st.effect)
	}
	if f := st.found.Load(); f != nil && f.catalog == c && !lately {
		return x.located(f.effect)
	}
	e := x.withRoutines(&st.effect, []byte(st.Text), st.quoting)
	if !lately {
		st.found.Store(&found{c, e})
	}
	return x.located(e)
}

// located returns an effect with what it makes being temporary, where the
// search_path may say so.
func (x *exchange) located(e *effect) *effect {
	if !e.makes || e.pins&opaque != 0 || !x.mayMakeTemporary(e) {
		return e
	}
	more := *e
	more.pins, more.unpins = more.pins|opaque, provable
	return &more
}

// mayMakeTemporary reports whether what a statement makes now may be temporary
// without a word of it: the search_path begins with pg_temp, or may do so.
func (x *exchange) mayMakeTemporary(e *effect) bool {
	if x.varied || x.changes.touched || e.varies() {
		return true
	}
	if path, ok := x.s.settings.get("search_path"); ok {
		return namesTemp(path)
	}
	return x.pool().catalog.tempPath.Load()
}

// namesTemp reports whether a search_path has the temporary schema in it.
func namesTemp(path string) bool { return contains([]byte(path), "pg_temp") }
