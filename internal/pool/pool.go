// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Pool holds the upstream connections of one database and user. All methods may
// be called from any goroutine; only Close blocks.
type Pool[C Conn] struct {
	// Fixed after construction.
	ctx    context.Context
	cancel context.CancelFunc

	// at is where the next connection comes from. Written under mu, by Reconfigure.
	at atomic.Pointer[home]

	connects sync.WaitGroup // the goroutines in Connect

	// oldest is the arrival of the oldest waiter while the pool is hungry.
	// Written under mu, read by other pools under their own.
	oldest atomic.Int64

	mu         sync.Mutex // no connection is idle while someone waits
	cfg        Config[C]  // what Reconfigure does not change may be read without mu
	idle       stacks[C]
	queue      queue[C]
	places     int // open, being opened, being closed: what the budgets count
	connecting int // the part of places being opened
	epoch      uint32
	turn       int           // the loop that the next connection without a waiter goes to
	hungryAt   *Budget       // the budget whose list of hungry pools this one is in
	fault      *fault        // the last connect failed, but not because the server is down
	suspected  time.Duration // what has been idle since before is checked before use
	address    string        // where connections have to lead to; "" is anywhere
	last       lastError
	draining   bool
	vacated    time.Duration // until when Vacate holds, 0 where it does not
	closed     error         // why the pool is closed

	timer  *time.Timer // runs upkeep
	wakeAt time.Duration
}

// New makes a pool that takes its places from all the given budgets. It starts
// at once to open cfg.Min connections. Close ends it.
func New[C Conn](cfg Config[C], budgets ...*Budget) *Pool[C] {
	cfg.normalize()
	p := &Pool[C]{cfg: cfg, wakeAt: never, suspected: longAgo}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.idle.loops = make([][]C, cfg.Loops)
	p.queue.loops = make([]list[C], cfg.Loops)
	p.timer = time.AfterFunc(time.Hour, p.upkeep)
	p.timer.Stop() // until armLocked has a reason
	p.moveIn(&home{cfg.Server, inOrder(budgets)}, cfg.MaxConnecting)
	p.settle()
	return p
}

// home is where a pool's connections come from: the server that they lead to and
// the budgets in which each has its place.
type home struct {
	server  *Server
	budgets []*Budget // in the order of their numbers
}

func (p *Pool[C]) server() *Server   { return p.at.Load().server }
func (p *Pool[C]) shares() []*Budget { return p.at.Load().budgets }

// moveIn has the connections to come be from h.
func (p *Pool[C]) moveIn(h *home, connecting int) {
	p.at.Store(h)
	for _, b := range h.budgets {
		b.join(p)
	}
	h.server.join(p, connecting)
}

// moveOut ends what moveIn began.
func (p *Pool[C]) moveOut(h *home) {
	h.server.part(p)
	for _, b := range h.budgets {
		b.part(p)
	}
}

// inOrder is the order in which several budgets are locked, each once.
func inOrder(budgets []*Budget) []*Budget {
	sorted := slices.Clone(budgets)
	slices.SortFunc(sorted, func(a, b *Budget) int { return a.number - b.number })
	return slices.Compact(sorted)
}

// openLocked counts the connections that are open: idle or in use.
func (p *Pool[C]) openLocked() int { return p.places - p.connecting }

// floorLocked is the number of connections to keep open while nobody waits.
func (p *Pool[C]) floorLocked() int {
	if p.draining || p.vacated != 0 {
		return 0
	}
	return p.cfg.Min
}
