// SPDX-License-Identifier: Apache-2.0

package loop

// IdleTasks is the bound on the coroutines that a loop keeps.
const IdleTasks = idleTasks

// Open returns how many connections are registered with g's loops.
func (g *Group) Open() int {
	g.table.mu.Lock()
	defer g.table.mu.Unlock()
	return int(g.table.next) - len(g.table.free)
}

// ID returns the id that events of c carry.
func (c *Conn) ID() uint64 { return c.id.Load() }

// Find returns the connection that an event with this id is for.
func (g *Group) Find(id uint64) *Conn { return g.table.get(id) }

// Kept returns how many finished tasks wait for their next job. Only the
// loop's goroutine may call it.
func (l *Loop) Kept() int { return len(l.idle) }

// WakeID is the id of a poller's own wake-up.
const WakeID = wakeID
