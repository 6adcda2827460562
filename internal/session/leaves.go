// SPDX-License-Identifier: Apache-2.0

package session

import (
	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// leaves notes what a statement that is sent may leave behind. What pins is noted
// when it is answered, see left.
func (x *exchange) leaves(e *effect) {
	x.noteRereads(e)
	x.atStake(e.kinds)
	if e.newest != 0 {
		x.atStake(1 << sqltext.Select) // Bind makes values of its parameters, which may call something
	}
	x.altered = x.altered || e.alters()
	x.varied = x.varied || e.varies()
	x.redefines = x.redefines || e.redefines()
	x.changes.sets = x.changes.sets || e.sets
	x.changes.touched = x.changes.touched || e.touches || x.changes.unlearned
	x.changes.unlearned = false
	x.changes.reverts = x.changes.reverts || e.reverts || len(e.configs) > 0 && x.s.start.hasAny(e.configs)
	if e.defaults != nil || e.nulls != nil {
		x.defaults(e)
	}
	x.changes.hidden = append(x.changes.hidden, e.hidden...)
	x.guards(e)
	x.changes.anybody = x.changes.anybody || e.anybody
	x.making.define(e, &x.s.env.dictionary.defined)
	x.noteListening(e)
	if e.vacates != nil {
		x.vacate(e.vacates)
	}
	if e.uses || x.up.mover != 0 && e.kinds&^frame != 0 && x.pool().sequences.Load() {
		x.uses()
	}
	x.remains.ended |= e.unpins
	if x.remains.unproven {
		x.remains.ended, x.remains.unproven = provable, false
	}
}

// publishing are the kinds that may commit what was defined before them, or what they
// define, before they are answered: something may run behind the commit.
const publishing = 1<<sqltext.Commit | 1<<sqltext.CommitPrepared | 1<<sqltext.Call | 1<<sqltext.Do | 1<<sqltext.Unknown

// making is what a transaction may have changed of what routines there are, or of what
// calls them.
type making struct {
	defines   bool           // anything
	publishes bool           // it may be committed before it is answered
	effect    routine.Effect // what those routines leave
}

// define takes in that a statement of that effect is sent. It has others know of what may be
// committed before it is answered.
func (m *making) define(e *effect, h *routine.History) {
	m.effect, m.defines = m.effect.With(e.made.Effect), m.defines || e.defines
	if m.defines && e.kinds&(1<<sqltext.PrepareTransaction) != 0 {
		h.Prepare(m.effect)
	}
	if e.kinds&(1<<sqltext.CommitPrepared) != 0 {
		prepared, ok := h.Prepared()
		m.effect, m.defines = m.effect.With(prepared), m.defines || ok
	}
	if m.defines && (e.kinds&publishing != 0 || m.publishes && e.defines) {
		m.publish(h)
	}
}

// publish has others know of what may be committed before that is heard of.
func (m *making) publish(h *routine.History) {
	if !m.publishes {
		m.publishes = true
		h.Open()
	}
	h.Widen(m.effect)
}

// count has others know of it.
func (m *making) count(h *routine.History) {
	if m.defines {
		h.Add(m.effect)
	}
}

// end is count where the transaction has ended, or nobody will hear of its end.
func (m *making) end(h *routine.History) {
	m.count(h)
	if m.publishes {
		h.Close()
	}
	*m = making{}
}

// redefining are the kinds that may change what other statements return.
const redefining = 1<<sqltext.DDL | 1<<sqltext.CreateRoutine | 1<<sqltext.Do | 1<<sqltext.Call | 1<<sqltext.Unknown

// redefines reports whether a statement may change what others return.
func (e *effect) redefines() bool { return e.kinds&redefining != 0 || e.into }

// defined notes, at the end of a transaction, that it may have changed what routines
// there are, or what calls them, and that somebody else has done so meanwhile.
func (x *exchange) defined() {
	h := &x.s.env.dictionary.defined
	switch {
	case x.status != wire.Idle:
		return
	case !x.due.empty():
		x.making.count(h) // and what is not answered yet may define more
		return
	}
	if x.changes.defined != x.definitions() {
		x.overtaken()
	}
	if x.making.defines {
		x.making.end(h)
		x.changes.defined = x.definitions()
	}
}

// overtaken takes in that somebody has defined something since the transaction began:
// what it has called may have been that already.
func (x *exchange) overtaken() {
	before, now := x.changes.defined, x.definitions()
	x.changes.defined = now
	made := x.s.env.dictionary.defined.Since(before.count)
	if made.Empty() && before.catalog == now.catalog {
		return
	}
	var e effect
	e.addRoutine(lately.With(made))
	x.leaves(&e)
	x.leftBehind(e.pins)
}

// definitions is what was known of the database's definitions at some time.
type definitions struct {
	count   uint64 // how many the clients of weir had made
	catalog *routine.Catalog
}

func (x *exchange) definitions() definitions {
	return definitions{x.s.env.dictionary.defined.Count(), x.pool().catalog.current.Load()}
}

// redefined notes, at the end of a transaction, that it may have changed the
// schema. Not before: until then, others still prepare by the old one.
func (x *exchange) redefined() {
	if x.redefines && x.status == wire.Idle {
		x.redefines = false
		x.s.env.dictionary.schema.Add(1)
	}
}
