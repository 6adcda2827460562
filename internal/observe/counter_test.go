// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"sync"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/observe"
)

func TestNothingIsLostBetweenLoops(t *testing.T) {
	t.Parallel()
	const loops, each = 4, 2000
	counter, histogram := observe.NewCounter(loops), observe.NewHistogram(loops)
	var errors observe.Errors
	var writers sync.WaitGroup
	for loop := range 2 * loops { // two writers share each shard
		writers.Go(func() {
			for i := range each {
				counter.Add(loop%loops, 3)
				histogram.Observe(loop%loops, time.Duration(i)*time.Microsecond)
				errors.Add("23505")
				if i%500 == 0 {
					_, _ = counter.Value(), histogram.Snapshot()
				}
			}
		})
	}
	writers.Wait()

	const total = 2 * loops * each
	if got := counter.Value(); got != 3*total {
		t.Errorf("counter: got %d, want %d", got, 3*total)
	}
	if got := histogram.Snapshot().Count; got != total {
		t.Errorf("histogram: got %d observations, want %d", got, total)
	}
	wantSum := 2 * loops * time.Duration(each*(each-1)/2) * time.Microsecond
	if got := histogram.Snapshot().Sum; got != wantSum {
		t.Errorf("histogram: got a sum of %v, want %v", got, wantSum)
	}
	if got := errors.Values()["23"]; got != total {
		t.Errorf("errors: got %d, want %d", got, total)
	}
}

func BenchmarkCounterAdd(b *testing.B) {
	counter := observe.NewCounter(2)
	for b.Loop() {
		counter.Add(1, 1)
	}
	if got := counter.Value(); got != uint64(b.N) {
		b.Fatalf("got %d, want %d", got, b.N)
	}
}
