// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"math"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

// longestStint is how long a loop may stay away from its poller under load,
// besides what the machine takes from everybody.
const longestStint = 100 * time.Millisecond

// TestNoLoopStalls mixes what could hold up a loop: logins, large results,
// cancels, clients that go, TLS. It runs alone.
func TestNoLoopStalls(t *testing.T) {
	g := open(t, testpg.URL(t), poolOf(4))
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	var wait sync.WaitGroup
	forever := func(f func()) {
		wait.Go(func() {
			for ctx.Err() == nil && !t.Failed() {
				f()
			}
		})
	}
	for range 4 {
		conn := g.connect(t)
		forever(func() { must(t, conn, "select 1") })
	}
	large := g.connect(t, "sslmode=require")
	forever(func() { must(t, large, "select repeat('x', 1000) from generate_series(1, 5000)") })
	text := strings.Repeat("x", 1<<20)
	writer := g.connect(t)
	forever(func() { must(t, writer, "select length('"+text+"')") })
	forever(func() {
		conn, err := pgx.Connect(bounded(t), g.url("sslmode=require"))
		if err != nil {
			t.Errorf("connect: %v", err)
			return
		}
		_ = conn.PgConn().Conn().Close() // without a goodbye
	})
	victim := g.raw(t)
	forever(func() {
		victim.query(t, "select pg_sleep(0.01)")
		g.cancel(t, victim.pid, victim.secret, false)
		victim.transcript(t, 1)
	})
	before := schedulerWaits()
	var late time.Duration // the most that the machine kept a goroutine waiting
	forever(func() {
		const nap = time.Millisecond
		began := time.Now()
		time.Sleep(nap)
		late = max(late, time.Since(began)-nap)
	})
	wait.Wait()
	late = max(late, longestWait(before, schedulerWaits()))
	for _, l := range g.Status().Loops {
		longest := l.Busy.Histogram.Quantile(1)
		t.Logf("loop %d: %d stints, p50 %v s, p99 %v s, longest %v; goroutines were up to %v late", l.Number, l.Busy.Count, l.Busy.P50, l.Busy.P99, longest, late)
		if l.Busy.Count == 0 || longest > longestStint+4*late {
			t.Errorf("loop %d was away from its poller %d times, for up to %v; goroutines were up to %v late", l.Number, l.Busy.Count, longest, late)
		}
	}
}

// schedulerWaits is how often goroutines of this process have been ready to run
// for how long, and were not run. A loop's is one of them.
func schedulerWaits() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64Histogram()
}

// longestWait is the longest of the waits that were added between two readings, at
// least: the lower bound of its bucket.
func longestWait(before, after *metrics.Float64Histogram) time.Duration {
	for i, n := range slices.Backward(after.Counts) {
		if n > before.Counts[i] {
			return time.Duration(math.Max(after.Buckets[i], 0) * float64(time.Second))
		}
	}
	return 0
}
