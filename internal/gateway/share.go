// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/upstream"
)

// Several weirs, or other programs, may use one role, and know nothing of each
// other but how many sessions the role has. One that holds the last place cannot
// see who is refused for want of it. So each looks every shareEvery, while the
// role's CONNECTION LIMIT binds it, and when the role is full it gives something
// up: half of what it has not used for shareIdle; else, where it has more than
// half of the limit, one place, every shareAgain, or at once if the last one was
// taken. What nobody takes within shareHold it takes back when it is needed, also
// where it cannot look because all that it kept are in use.
const (
	shareEvery = time.Second
	shareIdle  = shareEvery / 2
	shareHold  = 2 * shareEvery
	shareAgain = 10 * shareEvery
)

// reading is how a role stands.
type reading struct {
	limit  int // CONNECTION LIMIT
	others int // sessions that are not ours
	ours   int
	idle   int  // of ours, unused for shareIdle
	wanted bool // some pool waits for more
}

// share is what a role's budget remembers between readings. The zero value has
// given up nothing.
type share struct {
	limit  int // kept to because places were given up; 0 is none
	role   int // CONNECTION LIMIT, as last read
	others int
	since  time.Time // when a place was last given up, or the role was first full

	unknown []uint32 // sessions that were not known to be ours when last read
}

// strangers counts the sessions of others. ours are those known to be ours, before
// and after sessions was read. Of the rest as many may be ours as connections are
// being opened, but not one that was there at the last reading and still is not
// known.
func (s *share) strangers(sessions, ours []uint32, joining int) int {
	var unknown []uint32
	others := 0
	for _, pid := range sessions {
		if slices.Contains(ours, pid) {
			continue
		}
		unknown = append(unknown, pid)
		if slices.Contains(s.unknown, pid) {
			others++
		}
	}
	s.unknown = unknown
	return others + max(len(unknown)-others-joining, 0)
}

// joining counts the connections that are being opened in the places of a budget.
func (g *Gateway) joining(b *budget) int {
	n := int(b.looking.Load())
	for _, d := range g.databases() {
		if slices.Contains(d.budgets, b) {
			n += d.pool.Opening()
		}
	}
	return n
}

// next returns how many connections we may have.
func (s *share) next(r reading, now time.Time) int {
	taken := r.others > s.others
	s.role, s.others = r.limit, r.others
	room := max(r.limit-r.others, 1)
	full := r.others+r.ours >= r.limit
	if s.since.IsZero() && full {
		s.since = now
	}
	waited := now.Sub(s.since)
	switch {
	case full && r.idle > 0 && r.ours > 1:
		s.give(r.ours-(r.idle+1)/2, now)
	case full && r.ours > max(r.limit/2, 1) && (taken || waited >= shareAgain):
		s.give(r.ours-1, now)
	case full, r.wanted && waited >= shareHold:
		s.limit = 0
	}
	if s.limit > 0 {
		return min(s.limit, room)
	}
	return room
}

// blind returns how many connections we may have where the role cannot be read
// because all of ours are in use, and somebody waits: what the others had left
// when last seen, and one more at least, because they may have gone. ok is false
// where nothing changes.
func (s *share) blind(ours int, now time.Time) (allowed int, ok bool) {
	patience := shareAgain
	if s.limit > 0 {
		patience = shareHold
	}
	if ours >= s.role || now.Sub(s.since) < patience {
		return 0, false
	}
	s.limit, s.since = 0, now
	return min(max(s.role-s.others, ours+1), s.role), true
}

func (s *share) give(limit int, now time.Time) { s.limit, s.since = max(limit, 1), now }

// shareRoles looks at the roles that are at their limit, until the gateway closes.
func (g *Gateway) shareRoles() {
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.shareOnce()
		case <-g.background.Done():
			return
		}
	}
}

func (g *Gateway) shareOnce() {
	ctx, stop := context.WithTimeout(g.background, shareEvery)
	defer stop()
	asked := make(map[*budget]bool)
	var wait sync.WaitGroup
	for _, d := range g.databases() {
		for _, b := range d.budgets {
			if b.scope == observe.ScopeRole && !asked[b] && b.tight() && d.open() > 0 {
				asked[b] = true
				wait.Go(func() { g.shareRole(ctx, d, b) })
			}
		}
	}
	wait.Wait()
}

// open is how many connections the pool has.
func (d *database) open() int {
	now := d.pool.Status()
	return now.Idle + now.Active
}

// tight reports whether the budget's limit holds its pools down, or did.
func (b *budget) tight() bool {
	now := b.Status()
	return now.Limit >= 0 && (now.InUse >= now.Effective || now.Hungry > 0 || b.kept.Load() > 0)
}

// shareRole reads how a role stands, over one of a pool's connections, and sets
// its budget.
func (g *Gateway) shareRole(ctx context.Context, d *database, b *budget) {
	before, looking := g.pids(b.address), int(b.looking.Load())
	rows, err := d.pool.QueryBehind(ctx, upstream.RoleQuery)
	if err != nil { // all are in use for long, or lost: there is nothing to give
		b.takeBack()
		return
	}
	limit, sessions, err := upstream.RoleAnswer(rows)
	if err != nil || limit < 0 {
		return // the limits are read again in a while
	}
	// Those being opened before the known ones: what is opened in between is known.
	joining := max(looking, g.joining(b))
	others := b.share.strangers(sessions, append(before, g.pids(b.address)...), joining)
	now := b.Status()
	r := reading{limit: limit, others: others, ours: now.InUse, idle: b.Unused(shareIdle), wanted: now.Hungry > 0}
	allowed := b.share.next(r, time.Now())
	b.kept.Store(int64(b.share.limit))
	b.SetLimit(allowed, roleSource(limit, b.name))
	if others+now.InUse < limit {
		b.Refill()
	}
}

// takeBack has the budget use again what was given up, if somebody waits for it.
// Where others have taken it meanwhile, PostgreSQL says so.
func (b *budget) takeBack() {
	now := b.Status()
	if now.Hungry == 0 {
		return
	}
	if allowed, ok := b.share.blind(now.InUse, time.Now()); ok {
		b.kept.Store(0)
		b.SetLimit(allowed, roleSource(b.share.role, b.name))
		b.Refill()
	}
}

func roleSource(limit int, role string) string {
	return fmt.Sprintf("CONNECTION LIMIT %d of role %s", limit, quote(role))
}
