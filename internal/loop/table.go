// SPDX-License-Identifier: Apache-2.0

package loop

import (
	"errors"
	"sync"
	"sync/atomic"
)

// A poller's event carries an id rather than a pointer: a slot in the group's
// table in the low half and, in the high half, the generation of the
// connection's registration. An event that was on its way while its connection
// closed or moved to another loop names an old generation and is dropped.
const (
	slotBits  = 32
	chunkSize = 1 << 10
	maxChunks = 1 << 12 // 4 Mi connections

	// wakeID is the id of a poller's own wake-up: no connection has generation 0.
	wakeID uint64 = 0
)

var errTableFull = errors.New("too many connections for one event loop group (limit 4194304)")

type chunk [chunkSize]atomic.Pointer[Conn]

// table finds connections by id. Reading it takes no lock; the zero value is
// an empty table.
type table struct {
	chunks [maxChunks]atomic.Pointer[chunk]

	mu   sync.Mutex
	free []uint32 // guarded by mu: slots to use again
	next uint32   // guarded by mu: the first slot never used
	gen  uint32   // guarded by mu: the last generation given out
}

// get returns the connection with this id, or nil if it has gone or moved.
func (t *table) get(id uint64) *Conn {
	slot := uint32(id)
	ch := t.chunks[slot/chunkSize].Load()
	if ch == nil {
		return nil
	}
	c := ch[slot%chunkSize].Load()
	if c == nil || c.id.Load() != id {
		return nil
	}
	return c
}

// add gives c a slot and its first generation.
func (t *table) add(c *Conn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var slot uint32
	switch n := len(t.free); {
	case n > 0:
		slot, t.free = t.free[n-1], t.free[:n-1]
	case t.next/chunkSize == maxChunks:
		return errTableFull
	default:
		slot = t.next
		t.next++
		if slot%chunkSize == 0 {
			t.chunks[slot/chunkSize].Store(new(chunk))
		}
	}
	c.id.Store(t.generationLocked()<<slotBits | uint64(slot))
	t.chunks[slot/chunkSize].Load()[slot%chunkSize].Store(c)
	return nil
}

// renew gives c a new generation in the slot it has.
func (t *table) renew(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.id.Store(t.generationLocked()<<slotBits | c.id.Load()&(1<<slotBits-1))
}

// remove frees c's slot.
func (t *table) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot := uint32(c.id.Load())
	t.chunks[slot/chunkSize].Load()[slot%chunkSize].Store(nil)
	c.id.Store(wakeID)
	t.free = append(t.free, slot)
}

func (t *table) generationLocked() uint64 {
	t.gen++
	if t.gen == 0 { // 0 is the wake-up's
		t.gen = 1
	}
	return uint64(t.gen)
}
