// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

// longestStint is how long a loop may stay away from its poller under load,
// besides what the machine takes from everybody: whoever computes for a while is
// interrupted, and how long for is seen by who else computes.
const longestStint = 100 * time.Millisecond

// TestNoLoopStalls mixes what could hold up a loop: logins, large results,
// cancels, clients that go, TLS. It runs alone.
func TestNoLoopStalls(t *testing.T) {
	g := open(t, testpg.URL(t), poolOf(4))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wait sync.WaitGroup
	forever := func(f func()) {
		wait.Go(func() {
			for f(); ctx.Err() == nil && !t.Failed(); {
				f()
			}
		})
	}
	text := strings.Repeat("x", 1<<20)
	var slowest time.Duration // piece of the same work, done in the middle of all that
	work := []byte(strings.Repeat(text, 4))
	forever(func() {
		began := time.Now()
		if sum(work) != len(work)*'x' {
			t.Error("the sum is wrong")
		}
		slowest = max(slowest, time.Since(began))
		time.Sleep(time.Millisecond)
	})
	var clients [4]*pgx.Conn
	for i := range clients {
		clients[i] = g.connect(t)
	}
	large, writer, victim := g.connect(t, "sslmode=require"), g.connect(t), g.raw(t)
	time.AfterFunc(2*time.Second, stop) // not before all are there
	for _, conn := range clients {
		forever(func() { must(t, conn, "select 1") })
	}
	forever(func() { must(t, large, "select repeat('x', 1000) from generate_series(1, 5000)") })
	forever(func() { must(t, writer, "select length('"+text+"')") })
	forever(func() {
		conn, err := pgx.Connect(bounded(t), g.url("sslmode=require"))
		if err != nil {
			t.Errorf("connect: %v", err)
			return
		}
		_ = conn.PgConn().Conn().Close() // without a goodbye
	})
	forever(func() {
		victim.query(t, "select pg_sleep(0.01)")
		g.cancel(t, victim.pid, victim.secret, false)
		victim.transcript(t, 1)
	})
	wait.Wait()
	for _, l := range g.Status().Loops {
		longest := l.Busy.Histogram.Quantile(1)
		t.Logf("loop %d: %d stints, p50 %v s, p99 %v s, longest %v; the slowest piece of work took %v", l.Number, l.Busy.Count, l.Busy.P50, l.Busy.P99, longest, slowest)
		if l.Busy.Count == 0 || longest > longestStint+10*slowest {
			t.Errorf("loop %d was away from its poller %d times, for up to %v; the slowest piece of work took %v", l.Number, l.Busy.Count, longest, slowest)
		}
	}
}

// sum is work of the kind that a loop does: it looks at each byte, which takes
// milliseconds here, and ten times as long with the race detector.
func sum(b []byte) (n int) {
	for _, c := range b {
		n += int(c)
	}
	return n
}
