// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// NoLimit is the limit of a budget that bounds nothing, as rolconnlimit and
// datconnlimit write it (pg_authid, pg_database).
const NoLimit = -1

// defaultRegrow is BudgetConfig.RegrowAfter where it is zero.
const defaultRegrow = 10 * time.Second

// lingering is how long PostgreSQL may go on counting a connection that has been
// closed: its process must see the end first. A 53300 in that time says nothing
// about the limit.
const lingering = 250 * time.Millisecond

// BudgetConfig describes a budget.
type BudgetConfig struct {
	Name        string        // whose limit it is: `role "app"`
	Limit       int           // most connections; NoLimit is none, 0 counts as 1
	Source      string        // what set Limit, for messages: "CONNECTION LIMIT of role app"
	Reserve     int           // places of Limit left to others
	RegrowAfter time.Duration // after a 53300, one place comes back this often; zero is 10 s
	Logger      *slog.Logger  // nil discards
}

// Budget bounds the connections of several pools together: those of a role, of
// a database, of a server. Pools made with it take a place for each connection.
type Budget struct {
	number int // the order of locking
	name   string
	regrow time.Duration
	log    *slog.Logger

	// pressed says that a pool is hungry or the budget is overdrawn, so that a
	// released connection has to be looked at. Written under mu.
	pressed atomic.Bool

	mu        sync.Mutex
	limit     int // as set; NoLimit is none
	reserve   int
	source    string
	effective int // what may be used now
	used      int
	closedAt  time.Duration // when a place of an open connection was last given back
	warnedAt  time.Duration // when the log last said that PostgreSQL is full
	timer     *time.Timer   // regrows; nil while effective is all there is
	peers     []peer        // the pools; replaced, never changed
	hungry    []peer
}

// budgets counts the budgets made; it gives each its number.
var budgets atomic.Int64

// NewBudget makes a budget of which nothing is used.
func NewBudget(cfg BudgetConfig) *Budget {
	b := &Budget{
		number: int(budgets.Add(1)), name: cfg.Name, regrow: cfg.RegrowAfter, log: cfg.Logger,
		limit: cfg.Limit, reserve: cfg.Reserve, source: cfg.Source, closedAt: longAgo, warnedAt: longAgo,
	}
	if b.regrow <= 0 {
		b.regrow = defaultRegrow
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.effective = b.allLocked()
	return b
}

// allLocked is the most that may ever be used: at least one place, because a
// gateway that may not even try cannot find out that the limit was raised.
func (b *Budget) allLocked() int {
	if b.limit < 0 {
		return math.MaxInt
	}
	return max(b.limit-b.reserve, 1)
}

// SetLimit changes the limit and what set it. A lower one takes hold as
// connections are released; idle ones above it are closed now. A higher one helps
// those who wait at once, unless PostgreSQL has just said that it is full.
func (b *Budget) SetLimit(limit int, source string) {
	b.mu.Lock()
	b.limit, b.source = limit, source
	if b.timer == nil {
		b.effective = b.allLocked()
	} else {
		b.effective = min(b.effective, b.allLocked())
	}
	b.pressLocked()
	b.mu.Unlock()
	for b.overdrawn() && b.reclaim(nil, never) {
	}
	b.feed()
}

// SetReserve changes how many places of the limit are left to others, as
// SetLimit changes the limit.
func (b *Budget) SetReserve(reserve int) {
	b.mu.Lock()
	limit, source := b.limit, b.source
	b.reserve = reserve
	b.mu.Unlock()
	b.SetLimit(limit, source)
}

// overdrawn reports that more is used than may be.
func (b *Budget) overdrawn() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used > b.effective
}

// warnEvery bounds the warnings that PostgreSQL is full: weir goes on trying for
// those who wait.
const warnEvery = time.Minute

// Full says that PostgreSQL refused a connection with 53300, after its place was
// given back: what is in use now is what there is. The rest comes back one by
// one, every RegrowAfter.
func (b *Budget) Full() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now()-b.closedAt < lingering || b.used >= b.effective {
		return
	}
	b.effective = max(b.used, 1)
	b.regrowLocked()
	if now()-b.warnedAt < warnEvery {
		return
	}
	b.warnedAt = now()
	args := []any{"budget", b.name, "connections", b.used}
	if b.limit >= 0 {
		args = append(args, "limit", b.limit, "source", b.source)
	}
	b.log.Warn("PostgreSQL has no more connections to give; holding at what is open", args...)
}

// Refill takes back what Full did, where it is known that PostgreSQL has room
// again.
func (b *Budget) Refill() {
	b.mu.Lock()
	b.effective = b.allLocked()
	b.regrowLocked()
	b.mu.Unlock()
	b.feed()
}

// regrowLocked starts the timer for the next place.
func (b *Budget) regrowLocked() {
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	if b.effective < b.allLocked() {
		b.timer = time.AfterFunc(jitter(b.regrow, backoffJitter), b.grow)
	}
}

// grow gives one place back. Without a limit there is no number to grow to, and
// everything comes back at once.
func (b *Budget) grow() {
	b.mu.Lock()
	if all := b.allLocked(); b.limit < 0 {
		b.effective = all
	} else {
		b.effective = min(b.effective+1, all)
	}
	b.regrowLocked()
	b.mu.Unlock()
	b.feed()
}

// pressLocked brings pressed up to date.
func (b *Budget) pressLocked() {
	b.pressed.Store(len(b.hungry) > 0 || b.used > b.effective)
}

// Take takes a place from all of the budgets, or none and returns false, for a
// connection that belongs to no pool. It closes nothing to make room.
func Take(budgets ...*Budget) bool { return take(inOrder(budgets)) == nil }

// Give gives back what Take took, after the connection is closed.
func Give(budgets ...*Budget) { give(inOrder(budgets), true) }

// take takes a place from all of the budgets, or none and returns one that is full.
// The budgets are in order; all are locked together, so that nobody is refused
// for the sake of a place that is given back a moment later.
func take(budgets []*Budget) (full *Budget) {
	for _, b := range budgets {
		b.mu.Lock()
		defer b.mu.Unlock()
		if full == nil && b.used >= b.effective {
			full = b
		}
	}
	if full != nil {
		return full
	}
	for _, b := range budgets {
		b.used++
	}
	return nil
}

// give gives back a place to each of the budgets and lets the hungry have it.
// No lock may be held.
func give(budgets []*Budget, wasOpen bool) {
	giveBack(budgets, wasOpen)
	feed(budgets)
}

// giveBack gives back a place to each of the budgets. wasOpen tells a connection
// from a connect that failed.
func giveBack(budgets []*Budget, wasOpen bool) {
	for _, b := range budgets {
		b.mu.Lock()
		b.used--
		if wasOpen {
			b.closedAt = now()
		}
		b.pressLocked()
		b.mu.Unlock()
	}
}

// BudgetStatus is a budget at one moment.
type BudgetStatus struct {
	Name      string
	Source    string // what set Limit
	Limit     int    // as set; NoLimit is none
	Reserve   int
	Effective int // what may be used now: less than Limit after a 53300; NoLimit is no bound
	InUse     int
	Hungry    int // pools with waiters that this budget keeps from opening connections
}

// Status returns the budget as it is now.
func (b *Budget) Status() BudgetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := BudgetStatus{
		Name: b.name, Source: b.source, Limit: b.limit, Reserve: b.reserve,
		Effective: b.effective, InUse: b.used, Hungry: len(b.hungry),
	}
	if b.effective == math.MaxInt {
		s.Effective = NoLimit
	}
	return s
}
