// SPDX-License-Identifier: Apache-2.0

package routine

import (
	"sync"
	"sync/atomic"
)

// mostMade bounds the definitions that a history remembers.
const mostMade = 256

// History counts definitions, and remembers what the latest of them may have others
// leave behind: a catalog that was read before one does not know of it. The zero value
// is empty.
type History struct {
	count atomic.Uint64

	mu   sync.Mutex
	made []definition // guarded by mu; those that leave something
	lost uint64       // guarded by mu; the number of the latest that is forgotten

	// prepared is what PREPARE TRANSACTION has kept for later; nil if nothing was.
	prepared atomic.Pointer[Effect]

	open   atomic.Int64 // how many transactions may commit definitions at any moment
	opened Effect       // guarded by mu; what these leave, and those of others since there was none
}

// definition is what was defined, or several that leave the same.
type definition struct {
	last   uint64
	effect Effect
}

// Count returns how many definitions there were.
func (h *History) Count() uint64 { return h.count.Load() }

// Add notes a definition with what is left by whoever calls what it has made.
func (h *History) Add(e Effect) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.count.Load() + 1
	if last := len(h.made) - 1; last >= 0 && h.made[last].effect.With(e).equal(h.made[last].effect) && !e.Empty() {
		h.made[last].last = n
	} else if !e.Empty() {
		h.made = append(h.made, definition{n, e})
	}
	if len(h.made) > mostMade {
		h.lost, h.made = h.made[0].last, append([]definition(nil), h.made[1:]...)
	}
	h.count.Store(n)
}

// Prepare notes definitions that a COMMIT PREPARED may add.
func (h *History) Prepare(e Effect) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if former := h.prepared.Load(); former != nil {
		e = e.With(*former)
	}
	h.prepared.Store(&e)
}

// Prepared returns all that a COMMIT PREPARED may add, false where it adds nothing.
func (h *History) Prepared() (e Effect, ok bool) {
	if p := h.prepared.Load(); p != nil {
		return *p, true
	}
	return e, false
}

// Open notes a transaction whose definitions may be committed at any moment. Each is noted
// by Widen. The caller has to call Close once.
func (h *History) Open() { h.open.Add(1) }

// Widen adds a definition of a transaction for which Open was called.
func (h *History) Widen(e Effect) {
	h.mu.Lock()
	h.opened = h.opened.With(e)
	h.mu.Unlock()
	h.Add(e)
}

// Close ends what one Open has begun, once Add has been called for what is committed.
func (h *History) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open.Add(-1) == 0 {
		h.opened = Effect{}
	}
}

// Publishing reports whether a definition may be committed at any moment.
func (h *History) Publishing() bool { return h.open.Load() > 0 }

// Since returns what is left by whoever calls what was made after the first n
// definitions, or may be committed at any moment. Of what is forgotten nothing is known.
func (h *History) Since(n uint64) (e Effect) {
	if n == h.Count() && !h.Publishing() {
		return e
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e = h.opened
	if n < h.lost {
		e.Leaves |= Unknowable
	}
	for _, d := range h.made {
		if d.last > n {
			e = e.With(d.effect)
		}
	}
	return e
}
