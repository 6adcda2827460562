// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// burden has n clients ask things until the context ends, and counts the answers.
func burden(t *testing.T, ctx context.Context, wait *sync.WaitGroup, g *gateway, n int) *atomic.Int64 {
	t.Helper()
	var done atomic.Int64
	for range n {
		wait.Go(func() {
			conn, err := pgx.Connect(bounded(t), g.url())
			if err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			defer conn.Close(bounded(t))
			for ctx.Err() == nil {
				if err := exec(t, conn, "select pg_sleep(0.01)"); err != nil {
					t.Errorf("a client saw %v", err)
					return
				}
				done.Add(1)
			}
		})
	}
	return &done
}

// TestTwoWeirsShareARolesLimit has one weir take all that the role may have, stop,
// and leave it to another; then both want all of it.
func TestTwoWeirsShareARolesLimit(t *testing.T) {
	t.Parallel()
	admin := database(t)
	dsn := testpg.Role(t, admin, "connection limit 6")
	one, two := open(t, dsn, poolOf(10), waits(patience)), open(t, dsn, poolOf(10), waits(patience))

	var first sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	burden(t, ctx, &first, one, 12)
	until(t, "one weir to take all connections of the role", func() bool { return one.Status().Upstreams.Active == 6 })
	stop()
	first.Wait()

	var both sync.WaitGroup
	ctx, stop = context.WithCancel(t.Context())
	began := time.Now()
	twos := burden(t, ctx, &both, two, 12)
	until(t, "the other weir to work", func() bool { return twos.Load() > 0 })
	t.Logf("the other weir worked %v after it was asked", time.Since(began).Round(time.Millisecond))
	until(t, "the other weir to have most of the role's connections", func() bool { return two.Status().Upstreams.Active >= 4 })

	ones := burden(t, ctx, &both, one, 12)
	until(t, "both to have a fair share", func() bool {
		return one.Status().Upstreams.Active >= 2 && two.Status().Upstreams.Active >= 2
	})
	a, b := ones.Load(), twos.Load()
	until(t, "both to work", func() bool { return ones.Load() > a+20 && twos.Load() > b+20 })
	stop()
	both.Wait()
	one.balanced(t)
	two.balanced(t)
}

// peerWeir is a weir in a simulation, as far as a role's limit goes.
type peerWeir struct {
	share   weir.Share
	wants   int // connections that its clients keep busy
	ours    int
	allowed int
}

// turn is one reading of a weir and what it does then: it closes what it may not
// have, and opens what it wants as far as the role has room.
func (w *peerWeir) turn(limit, others int, now time.Time) {
	idle := max(w.ours-w.wants, 0)
	w.allowed = w.share.Next(weir.NewReading(limit, others, w.ours, idle, w.wants > w.ours), now)
	w.ours = min(w.ours, w.allowed)
	w.ours = max(w.ours, min(w.wants, w.allowed, limit-others))
}

func TestSharesOfARole(t *testing.T) {
	t.Parallel()
	const limit = 6
	for _, test := range []struct {
		name         string
		a, b         int // wanted
		atA, atB     int // had at first
		wantA, wantB int // after a minute
	}{
		{"both want all, one has it", 10, 10, 6, 0, 3, 3},
		{"both want all", 10, 10, 3, 3, 3, 3},
		{"one wants all, the other nothing any more", 10, 0, 0, 6, 5, 1},
		{"one wants all, the other little", 10, 1, 0, 6, 5, 1},
		{"both want little", 2, 2, 4, 2, 3, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := &peerWeir{wants: test.a, ours: test.atA}, &peerWeir{wants: test.b, ours: test.atB}
			now := time.Unix(0, 0)
			for range 60 {
				now = now.Add(time.Second)
				a.turn(limit, b.ours, now)
				b.turn(limit, a.ours, now)
			}
			if a.ours != test.wantA || b.ours != test.wantB {
				t.Errorf("got %d and %d, want %d and %d", a.ours, b.ours, test.wantA, test.wantB)
			}
		})
	}
}

// TestAWeirAloneKeepsItsRolesLimit has nobody take what is given up.
func TestAWeirAloneKeepsItsRolesLimit(t *testing.T) {
	t.Parallel()
	w := &peerWeir{wants: 10, ours: 6}
	now, sum := time.Unix(0, 0), 0
	for range 600 {
		now = now.Add(time.Second)
		w.turn(6, 0, now)
		sum += w.ours
	}
	if share := float64(sum) / (600 * 6); share < 0.95 {
		t.Errorf("a weir alone had %.3f of its role's connections, want 0.95 at least", share)
	}
}
