// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"slices"
)

// median is the middle value, the mean of the middle two of an even number,
// and NaN of none. It leaves values as they are.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// percentile is the smallest value that at least p percent of sorted do not
// exceed (nearest rank), and NaN of none.
func percentile(sorted []int64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return float64(sorted[max(rank, 1)-1])
}

// values collects a figure of the samples that have it.
func (f figure) values(samples []sample) []float64 {
	var out []float64
	for _, s := range samples {
		if v := f.of(s); s.Err == "" && v > 0 {
			out = append(out, v)
		}
	}
	return out
}

// paired applies op to a figure of a and that of b round by round, leaving
// out the rounds in which either has none. Paired, because the two samples of
// a round were taken in the same minute, and a machine is not equally fast in
// each.
func (f figure) paired(a, b []sample, op func(x, y float64) float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		x, y := f.of(a[i]), f.of(b[i])
		if a[i].Err == "" && b[i].Err == "" && x > 0 && y > 0 {
			out = append(out, op(x, y))
		}
	}
	return out
}

func over(x, y float64) float64  { return x / y }
func minus(x, y float64) float64 { return x - y }
