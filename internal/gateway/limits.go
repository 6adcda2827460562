// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/upstream"
)

// limitsKey is what PostgreSQL's limits depend on.
type limitsKey struct{ address, database, role string }

// limits is what PostgreSQL allows a role in a database: read before the first
// connection is opened, and again from time to time, because limits change and
// other programs' sessions count.
type limits struct {
	g       *Gateway
	key     limitsKey
	target  *upstream.Target
	max     int // of the pool
	budgets []*budget
	ctx     context.Context // ends with the gateway, or with the last pool that needs the limits
	stop    context.CancelFunc
	turn    chan struct{} // held by whoever reads
	done    chan struct{} // closed when the refreshing has ended
	former  chan *limits  // gets those that a reload has put these in the place of

	stale atomic.Bool              // the next connection reads them again
	start atomic.Pointer[[]string] // the settings that only a backend's start sets; nil before the first read

	// Guarded by turn.
	known bool
	last  upstream.Limits
	said  map[observe.Scope]int // what the log was told of each scope
}

// How often the limits are read again: seldom, but for a pool that they bind
// soon enough that room which others leave is used.
const (
	refreshIdle  = time.Minute
	refreshBound = 10 * time.Second
)

func (g *Gateway) limitsForLocked(d *database) *limits {
	key := limitsKey{d.target.Address(), d.target.Database(), d.target.User()}
	l := g.limits[key]
	if l == nil {
		l = &limits{
			g: g, key: key, target: d.target, max: d.config.Max, budgets: d.budgets,
			turn:   make(chan struct{}, 1),
			done:   make(chan struct{}),
			former: make(chan *limits, 1),
			said:   make(map[observe.Scope]int),
		}
		l.ctx, l.stop = context.WithCancel(g.background)
		g.limits[key] = l
		go l.refresh()
	}
	return l
}

func (g *Gateway) allLimits() (list []*limits) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.limits {
		list = append(list, l)
	}
	return list
}

// ensure returns the limits, and reads them if nobody has yet.
func (l *limits) ensure(ctx context.Context) (upstream.Limits, error) {
	if !l.take(ctx) {
		return upstream.Limits{}, context.Cause(ctx)
	}
	defer func() { <-l.turn }()
	if l.known && !l.stale.Load() {
		return l.last, nil
	}
	return l.read(ctx)
}

// read asks PostgreSQL. The caller holds the turn. The connect that asks for
// the first limits has a place in the budgets already, and this one comes
// before it.
func (l *limits) read(ctx context.Context) (upstream.Limits, error) {
	for _, b := range l.budgets {
		b.looking.Add(1)
		defer b.looking.Add(-1)
	}
	address := l.target.Address()
	l.stale.Store(false)
	now, err := l.target.Limits(ctx, l.g.pids(address))
	if err != nil {
		return now, err
	}
	// Connections that are being opened have no process id that is known yet, and
	// may be among the sessions. The first to be opened waits for these limits.
	joining := make(map[*budget]int)
	if l.known {
		for _, b := range l.budgets {
			joining[b] = l.g.joining(b)
		}
	}
	now = now.Except(l.g.pids(address)) // those that began meanwhile
	if l.known && now.TimeoutSet != l.last.TimeoutSet {
		defer l.renewPools() // they have begun with weir's own, or without
	}
	l.known, l.last = true, now
	names := slices.Concat(preload, strings.Split(now.StartOnly, ","))
	l.start.Store(&names)
	for _, b := range l.budgets {
		l.apply(b, now.Forgive(joining[b]))
	}
	return now, nil
}

// apply sets one budget.
func (l *limits) apply(b *budget, now upstream.Limits) {
	room, source := now.ServerRoom(), fmt.Sprintf("max_connections = %d of %s", now.Server, b.address)
	switch b.scope {
	case observe.ScopeDatabase:
		room, source = now.DatabaseRoom(), fmt.Sprintf("CONNECTION LIMIT %d of database %s", now.Database, quote(b.name))
	case observe.ScopeRole:
		room, source = now.RoleRoom(), roleSource(now.Role, b.name)
		if kept := int(b.kept.Load()); kept > 0 {
			room = min(room, kept)
		}
	case observe.ScopeServer:
	}
	if room == upstream.Unlimited {
		b.SetLimit(pool.NoLimit, "no limit")
		return
	}
	b.SetLimit(max(room, 1), source)
	if room < l.max && l.said[b.scope] != room {
		l.said[b.scope] = room
		l.g.log.Warn("PostgreSQL allows fewer connections than the pool asks for; weir keeps to what it allows", "allowed", room, "pool_max", l.max, "because", source)
	}
}

// bound reports whether the limits are what holds the pool down.
func (l *limits) bound() bool {
	for _, b := range l.budgets {
		if s := b.Status(); s.Limit >= 0 && s.Limit < l.max {
			return true
		}
	}
	return false
}

// refresh reads the limits again until the gateway closes, and at once after a reload.
// It takes a place in the budgets for its own connection, and waits for the next turn
// where there is none.
func (l *limits) refresh() {
	defer close(l.done)
	for {
		wait := refreshIdle
		if l.bound() {
			wait = refreshBound
		}
		select {
		case <-time.After(wait):
		case former := <-l.former:
			l.inherit(former)
		case <-l.ctx.Done():
			return
		}
		l.again()
	}
}

// inherit has l know what those knew that it stands in for, until it has read them
// itself, which the next connection does, or has done meanwhile.
func (l *limits) inherit(former *limits) {
	if !former.take(l.ctx) {
		return
	}
	known, last := former.known, former.last
	<-former.turn
	if !l.take(l.ctx) {
		return
	}
	defer func() { <-l.turn }()
	switch {
	case !l.known:
		l.known, l.last = known, last
		l.stale.Store(true)
	case known && l.last.TimeoutSet != last.TimeoutSet:
		l.renewPools()
	}
}

// take takes the turn, false where ctx ended first.
func (l *limits) take(ctx context.Context) bool {
	select {
	case l.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *limits) again() {
	if len(l.g.pids(l.target.Address())) == 0 {
		return // nobody is there whom they could bind
	}
	if !pool.Take(budgetsOf(l.budgets)...) {
		return
	}
	defer pool.Give(budgetsOf(l.budgets)...)
	ctx, stop := context.WithTimeout(l.ctx, refreshBound)
	defer stop()
	if !l.take(ctx) {
		return
	}
	defer func() { <-l.turn }()
	if !l.known {
		return // the first connection reads them
	}
	if _, err := l.read(ctx); err != nil {
		l.g.log.Debug("the limits on connections could not be read again", "error", err)
	}
}

// renewPools has the pools replace their connections, those as well that a reload has
// given other limits meanwhile.
func (l *limits) renewPools() {
	for _, d := range l.g.databases() {
		if d.limits.key == l.key {
			d.pool.Renew()
		}
	}
}

// pids lists the backends that serve this gateway on a server.
func (g *Gateway) pids(address string) (list []uint32) {
	for _, d := range g.databases() {
		if d.target.Address() == address {
			list = append(list, d.pool.PIDs()...)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return append(list, g.replicaPIDsLocked(address)...)
}
