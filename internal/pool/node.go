// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"sync/atomic"
	"time"
)

// state is where a connection is, guarded by the pool's lock.
type state uint8

const (
	fresh state = iota // not the pool's yet; becomes busy when its connect succeeds
	busy               // with a client, or on its way to one; becomes idle or gone
	idle               // in an idle stack; becomes busy or gone
	gone               // being closed, or closed; the last state
)

// Node is the pool's bookkeeping for one connection. The zero value is ready.
// All of it but check, Fit and For is guarded by the pool's lock.
type Node struct {
	// Fit is what the connection is ready for, in the words of whoever uses it:
	// TryAcquire compares it. Its holder writes it; it has to be comparable, and
	// should be a pointer or the like, which costs no allocation.
	Fit any

	// For is who may come back for the connection, by a number of the user's own; 0 is
	// nobody. Others get it where no other is idle. Any goroutine may change it.
	For atomic.Uint32

	state   state
	check   bool          // written when the connection is handed out, then read by its holder
	loop    int           // the stack it is in while idle
	epoch   uint32        // the pool's epoch when its connect began
	since   time.Duration // idle since
	expires time.Duration // end of its life
	home    *home         // where it is from; fixed once it is open
}

// NeedsCheck reports that the connection had been idle for CheckAfter or longer
// when it was handed out, so that whoever holds it should see an answer from
// PostgreSQL before relying on it. Only the holder may call it.
func (n *Node) NeedsCheck() bool { return n.check }
