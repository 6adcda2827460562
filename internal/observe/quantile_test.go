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

func TestQuantileIsWithinABucketOfTheTruth(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	distributions := map[string]func() time.Duration{
		"uniform":    func() time.Duration { return time.Duration(1 + random.Int64N(int64(time.Second))) },
		"log-normal": func() time.Duration { return time.Duration(1e6 * math.Exp(random.NormFloat64())) },
		"one value":  func() time.Duration { return 300 * time.Microsecond },
		"two peaks": func() time.Duration {
			if random.IntN(50) == 0 {
				return time.Second
			}
			return time.Millisecond
		},
	}
	for name, draw := range distributions {
		histogram := observe.NewHistogram(1)
		values := make([]time.Duration, 20000)
		for i := range values {
			values[i] = draw()
			histogram.Observe(0, values[i])
		}
		slices.Sort(values)
		snap := histogram.Snapshot()
		for _, q := range []float64{0.01, 0.25, 0.5, 0.95, 0.99, 1} {
			truth := values[int(math.Ceil(q*float64(len(values))))-1]
			got := snap.Quantile(q)
			if ratio := float64(got) / float64(truth); ratio < 1/1.65 || ratio > 1.65 {
				t.Errorf("%s, quantile %v: got %v, want about %v", name, q, got, truth)
			}
		}
	}
}

func TestQuantileInterpolates(t *testing.T) {
	t.Parallel()
	histogram := observe.NewHistogram(1)
	for range 100 {
		histogram.Observe(0, 2*time.Millisecond) // the bucket from 1.6 to 2.5 ms
	}
	got, want := histogram.Snapshot().Quantile(0.5), 2050*time.Microsecond
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestQuantileAtTheEdges(t *testing.T) {
	t.Parallel()
	filled := observe.NewHistogram(1)
	filled.Observe(0, time.Millisecond)
	filled.Observe(0, time.Hour)
	tests := []struct {
		name string
		snap observe.HistogramSnapshot
		q    float64
		want time.Duration
	}{
		{"nothing observed", observe.HistogramSnapshot{}, 0.99, 0},
		{"longer than the last bound", filled.Snapshot(), 1, 100 * time.Second},
		{"share above one", filled.Snapshot(), 7, 100 * time.Second},
		{"share below zero", filled.Snapshot(), -1, 630 * time.Microsecond},
	}
	for _, tt := range tests {
		if got := tt.snap.Quantile(tt.q); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSubLeavesWhatCameSince(t *testing.T) {
	t.Parallel()
	histogram := observe.NewHistogram(1)
	histogram.Observe(0, time.Hour)
	histogram.Observe(0, time.Millisecond)
	before := histogram.Snapshot()
	histogram.Observe(0, time.Millisecond)
	got := histogram.Snapshot().Sub(before)

	fresh := observe.NewHistogram(1)
	fresh.Observe(0, time.Millisecond)
	if want := fresh.Snapshot(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
