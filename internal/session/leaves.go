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
	x.made, x.defines = x.made.With(e.made.Effect), x.defines || e.defines
	if e.kinds&(1<<sqltext.PrepareTransaction|1<<sqltext.CommitPrepared) != 0 {
		x.made, x.defines = x.s.env.dictionary.twoPhase(e.kinds, x.made, x.defines)
	}
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

// twoPhase takes in that what a transaction has defined is there only after a COMMIT
// PREPARED, of whichever client: it returns what that makes, and whether it defines.
func (d *Dictionary) twoPhase(kinds sqltext.Kinds, made routine.Effect, defines bool) (routine.Effect, bool) {
	if defines && kinds&(1<<sqltext.PrepareTransaction) != 0 {
		d.defined.Prepare(made)
	}
	prepared, ok := d.defined.Prepared()
	if !ok || kinds&(1<<sqltext.CommitPrepared) == 0 {
		return made, defines
	}
	return made.With(prepared), true
}

// redefining are the kinds that may change what other statements return.
const redefining = 1<<sqltext.DDL | 1<<sqltext.CreateRoutine | 1<<sqltext.Do | 1<<sqltext.Call | 1<<sqltext.Unknown

// redefines reports whether a statement may change what others return.
func (e *effect) redefines() bool { return e.kinds&redefining != 0 || e.into }

// defined notes, at the end of a transaction, that it may have changed what routines
// there are, or what calls them, and that somebody else has done so meanwhile.
func (x *exchange) defined() {
	if x.status != wire.Idle {
		return
	}
	if x.changes.defined != x.definitions() {
		x.overtaken()
	}
	if x.defines {
		x.s.env.dictionary.defined.Add(x.made)
		x.defines, x.made, x.changes.defined = false, routine.Effect{}, x.definitions()
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
