// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/observe"
)

func TestBoundsAreEvenlySpread(t *testing.T) {
	t.Parallel()
	if first := observe.Bounds[0]; first != 10*time.Microsecond {
		t.Errorf("first bound: got %v, want 10µs", first)
	}
	if last := observe.Bounds[len(observe.Bounds)-1]; last != 100*time.Second {
		t.Errorf("last bound: got %v, want 1m40s", last)
	}
	for i, bound := range observe.Bounds[1:] {
		factor := float64(bound) / float64(observe.Bounds[i])
		if factor < 1.5 || factor > 1.65 {
			t.Errorf("bound %v is %.2f times the one before it, want 1.5 to 1.65", bound, factor)
		}
	}
}

func TestObserveFindsTheBucket(t *testing.T) {
	t.Parallel()
	durations := []time.Duration{math.MinInt64, -1, 0, 1, 999, time.Hour, math.MaxInt64}
	for _, bound := range observe.Bounds {
		durations = append(durations, bound-1, bound, bound+1)
	}
	for range 1000 {
		durations = append(durations, time.Duration(rand.Int64()>>rand.IntN(63)))
	}
	for _, d := range durations {
		histogram := observe.NewHistogram(1)
		histogram.Observe(0, d)
		// A bound is inclusive, so the bucket is the first whose bound is not below d.
		want, _ := slices.BinarySearch(observe.Bounds, d)
		snap := histogram.Snapshot()
		if snap.Buckets[want] != 1 || snap.Count != 1 {
			t.Errorf("%v (%d ns): bucket %d is empty; buckets are %v", d, d, want, snap.Buckets)
		}
		if wantSum := max(d, 0); snap.Sum != wantSum {
			t.Errorf("%v: got a sum of %v, want %v", d, snap.Sum, wantSum)
		}
	}
}

func TestShardIsOneLoopsPart(t *testing.T) {
	t.Parallel()
	histogram := observe.NewHistogram(2)
	histogram.Observe(0, time.Second)
	histogram.Observe(1, time.Minute)
	histogram.Observe(1, time.Minute)
	if got := histogram.Shard(1); got.Count != 2 || got.Sum != 2*time.Minute {
		t.Errorf("got %d observations of %v together, want 2 of 2m0s", got.Count, got.Sum)
	}
}

// Not parallel: AllocsPerRun counts the allocations of the whole process.
func TestWritingDoesNotAllocate(t *testing.T) {
	stats := observe.NewPoolStats("db", "user", 2)
	code := []byte("40001")
	allocs := testing.AllocsPerRun(1000, func() {
		stats.Queries.Add(1, 1)
		stats.Query.Observe(1, 321*time.Microsecond)
		stats.Errors.Add(string(code))
		stats.Rejects.Add(full)
	})
	if allocs != 0 {
		t.Errorf("got %v allocations for each round, want 0", allocs)
	}
}

func BenchmarkHistogramObserve(b *testing.B) {
	histogram := observe.NewHistogram(2)
	d := 17 * time.Microsecond
	for b.Loop() {
		histogram.Observe(1, d)
		d = (d * 5) & (1<<30 - 1)
	}
	if got := histogram.Snapshot().Count; got != uint64(b.N) {
		b.Fatalf("got %d observations, want %d", got, b.N)
	}
}
