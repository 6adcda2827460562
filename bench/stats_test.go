// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{1, 1, 1000}, 1},
	} {
		before := slices.Clone(test.values)
		if got := median(test.values); got != test.want {
			t.Errorf("%v: got %v, want %v", test.values, got, test.want)
		}
		if !slices.Equal(test.values, before) {
			t.Errorf("%v came back as %v, want it unchanged", before, test.values)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("of none: got %v, want NaN", got)
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(i + 1)
	}
	for _, test := range []struct {
		values []int64
		p      float64
		want   float64
	}{
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{hundred, 0, 1},
		{[]int64{7}, 99, 7},
		{[]int64{1, 2}, 50, 1},
		{[]int64{1, 2}, 51, 2},
	} {
		if got := percentile(test.values, test.p); got != test.want {
			t.Errorf("p%v of %d values: got %v, want %v", test.p, len(test.values), got, test.want)
		}
	}
}

func TestPairedLeavesOutFailedAndMissingRounds(t *testing.T) {
	t.Parallel()
	f := views[0].figures[0]
	a := []sample{{Rate: 10}, {Rate: 30}, {Err: "refused", Rate: 99}, {Rate: 8}, {}}
	b := []sample{{Rate: 5}, {Rate: 10}, {Rate: 10}, {}, {Rate: 1}, {Rate: 1}}
	if got, want := f.paired(a, b, over), []float64{2, 3}; !slices.Equal(got, want) {
		t.Errorf("ratios: got %v, want %v", got, want)
	}
	if got, want := f.paired(a, b, minus), []float64{5, 20}; !slices.Equal(got, want) {
		t.Errorf("differences: got %v, want %v", got, want)
	}
	if got, want := f.values(a), []float64{10, 30, 8}; !slices.Equal(got, want) {
		t.Errorf("values: got %v, want %v", got, want)
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ got, want string }{
		{whole(0), "0"},
		{whole(999.6), "1,000"},
		{whole(83712.2), "83,712"},
		{whole(1234567), "1,234,567"},
		{plural(1, "client"), "1 client"},
		{plural(10_000, "client"), "10,000 clients"},
		{micros(5.96), "6.0 µs"},
		{micros(2340), "2.34 ms"},
		{millis(15012), "15,012 ms"},
		{kibibytes(1536), "1.50 KiB"},
		{mebibytes(10 << 20), "10.0 MiB"},
		{times(1.249), "1.25×"},
		{signed(-3, micros), "−3.0 µs"},
		{signed(3, micros), "+3.0 µs"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
