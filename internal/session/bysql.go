// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// What SQL has prepared is run by EXECUTE, later, and may be deallocated before the
// client's next request. So each EXECUTE is looked at as if it was the text that it
// runs. Where that is not known, it may do anything: a name that a body has mentioned
// may be another statement by now.

// bySQL is what the client has prepared by SQL on its upstream.
type bySQL struct {
	texts  map[string][]*statement // by name; several where one may have failed
	bodies map[string]bool         // names that bodies have mentioned, which may prepare and deallocate
	bytes  int                     // of the texts and names
}

// mostBySQL bounds what is remembered of a client's statements. With more, none is known.
const mostBySQL = 1 << 20 // 1 MiB

// inBody is the kind of a mention by code that a text runs, which may prepare, run and
// deallocate.
const inBody = sqltext.Do

// anything is the effect of a statement of which nothing is known.
var anything = func() (e effect) {
	e.addRoutine(routine.Effect{Leaves: routine.Unknowable | routine.Creates})
	e.uses = true
	return e
}()

// notePrepared takes in what a text that is about to be sent may prepare: its own PREPAREs, and
// what the code does that it runs, whose mentions are with its own.
func (x *exchange) notePrepared(mentions []sqltext.Mention, text []byte) {
	b := &x.bySQL
	for _, m := range mentions {
		if m.Kind == inBody && !b.bodies[m.Name] {
			if b.bodies == nil {
				b.bodies = make(map[string]bool)
			}
			b.bodies[m.Name] = true
			b.bytes += len(m.Name)
		}
	}
	if !slices.ContainsFunc(mentions, func(m sqltext.Mention) bool { return m.Kind == sqltext.Prepare }) {
		return
	}
	for at := 0; ; {
		st, next, ok := sqltext.Next(text, at)
		if !ok {
			return
		}
		if st.Kind == sqltext.Prepare {
			x.notePrepare(strings.Clone(st.Name), string(text[st.Start:st.End]))
		}
		at = next
	}
}

// notePrepare takes in that a text prepares a statement.
func (x *exchange) notePrepare(name, text string) {
	b := &x.bySQL
	if slices.ContainsFunc(b.texts[name], func(s *statement) bool { return s.Text == text }) || b.bytes > mostBySQL {
		return
	}
	if b.texts == nil {
		b.texts = make(map[string][]*statement)
	}
	b.texts[name] = append(b.texts[name], x.s.env.dictionary.passing([]byte(text), noOIDs, x.s.meaning, x.quoting()))
	b.bytes += len(name) + len(text)
}

// known reports whether what EXECUTE runs by a name is among what the client has
// prepared, by SQL or by the protocol, or is nothing: there is none by SQL.
func (x *exchange) known(name string) bool {
	b := &x.bySQL
	if !x.mayHavePrepared() {
		return true
	}
	if b.bytes > mostBySQL || b.bodies[name] || (x.s.pinned()|x.remains.possible)&(unclear|functions) != 0 {
		return false
	}
	return x.s.named[name] != nil || b.texts[name] != nil
}

// withMentioned returns e with what the statements may leave behind that the text
// executes, and that these execute.
func (x *exchange) withMentioned(e *effect) *effect {
	if e.mentions == nil {
		return e
	}
	sum := *e
	for i := 0; i < len(sum.mentions); i++ {
		m := sum.mentions[i]
		if m.Kind != sqltext.Execute && m.Kind != inBody || slices.Contains(sum.mentions[:i], m) {
			continue
		}
		if p := x.s.named[m.Name]; p != nil {
			sum.join(x.effectOf(p.statement))
		}
		for _, st := range x.bySQL.texts[m.Name] {
			sum.join(x.effectOf(st).executed())
		}
		if m.Kind == sqltext.Execute && !x.known(m.Name) && !slices.Contains(e.mentions, sqltext.Mention{Kind: sqltext.Prepare, Name: m.Name}) {
			sum.join(&anything)
			sum.unknown = true
		}
	}
	return &sum
}

// executed returns the effect of a PREPARE as that of what it prepares.
func (e *effect) executed() *effect {
	run := *e
	run.kinds &^= 1 << sqltext.Prepare
	run.pins &^= prepares
	run.mentions = nil
	for _, m := range e.mentions {
		if m.Kind != sqltext.Prepare {
			run.mentions = append(run.mentions, m)
		}
	}
	return &run
}

// forgetPrepared takes in that a DEALLOCATE was carried out, of a name or of all. What
// stands in one text with it may have prepared the name again.
func (x *exchange) forgetPrepared(a *answer, name string, all bool) {
	switch {
	case a == nil || a.kind != 'E' && !a.alone:
		// It may.
	case all:
		x.bySQL = bySQL{}
	default:
		for _, st := range x.bySQL.texts[name] {
			x.bySQL.bytes -= len(name) + len(st.Text)
		}
		delete(x.bySQL.texts, name)
		delete(x.bySQL.bodies, name)
	}
}

// ranNothing reports whether an error says that an EXECUTE, alone in its text, has run
// nothing: there is no such statement (FetchPreparedStatement in prepare.c), or the block
// has failed before. What a function has said has a context.
func (a *answer) ranNothing(code sqlstate.Code, body []byte) bool {
	return (a.kind == 'E' || a.alone) && (code == sqlstate.InvalidStatementName || code == sqlstate.InFailedTransaction) && wire.Field(body, 'W') == nil
}
