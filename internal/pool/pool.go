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
	cfg     Config[C]
	budgets []*Budget // in the order of their numbers
	ctx     context.Context
	cancel  context.CancelFunc

	connects sync.WaitGroup // the goroutines in Connect

	// oldest is the arrival of the oldest waiter while the pool is hungry.
	// Written under mu, read by other pools under their own.
	oldest atomic.Int64

	mu         sync.Mutex // no connection is idle while someone waits
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
	p := &Pool[C]{cfg: cfg, budgets: inOrder(budgets), wakeAt: never, suspected: longAgo}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.idle.loops = make([][]C, cfg.Loops)
	p.queue.loops = make([]list[C], cfg.Loops)
	p.timer = time.AfterFunc(time.Hour, p.upkeep)
	p.timer.Stop() // until armLocked has a reason
	for _, b := range p.budgets {
		b.join(p)
	}
	cfg.Server.join(p, cfg.MaxConnecting)
	p.settle()
	return p
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
