// SPDX-License-Identifier: Apache-2.0

package observe_test

import (
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/observe"
)

// TestRatesAreThoseOfTheStretchThatWasAskedFor has ten queries of 1 ms in each of
// the first 60 seconds, and in the next ten 30 of 100 ms, of which 3 fail, and 20
// requests that get no connection.
func TestRatesAreThoseOfTheStretchThatWasAskedFor(t *testing.T) {
	t.Parallel()
	stats := observe.NewPoolStats("d", "u", 1)
	var w observe.Window
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sample := func() observe.Sample {
		s := stats.Sample()
		s.At = now
		return s
	}
	if r := w.Over(sample(), time.Minute); r != (observe.Rates{}) {
		t.Errorf("without samples: %+v", r)
	}
	w.Keep(sample())
	for second := range 70 {
		n, took := 10, time.Millisecond
		if second >= 60 {
			n, took = 3, 100*time.Millisecond
			stats.Errors.Add("40001")
			stats.Rejects.Add(full)
			stats.Rejects.Add(full)
		}
		for range n {
			stats.Queries.Add(0, 1)
			stats.Query.Observe(0, took)
		}
		now = now.Add(time.Second)
		w.Keep(sample())
	}
	last := w.Over(sample(), 10*time.Second)
	if last.Seconds != 10 || last.Queries != 3 || last.Errors != 3 || last.ErrorRate != 0.6 {
		t.Errorf("the last 10 s: %+v", last)
	}
	if last.Query.Count != 30 || last.Query.P50 < 0.06 {
		t.Errorf("the latency of the last 10 s: %+v", last.Query)
	}
	minute := w.Over(sample(), time.Minute)
	if minute.Seconds != 60 || minute.Queries != (50*10+10*3)/60. || minute.Query.P50 > 0.002 {
		t.Errorf("the last minute: %+v", minute)
	}
	if older := w.Over(sample(), time.Hour); older.Seconds != 60 {
		t.Errorf("an hour is %v s", older.Seconds)
	}
}
