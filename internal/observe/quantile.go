// SPDX-License-Identifier: Apache-2.0

package observe

import "time"

// HistogramSnapshot is a [Histogram] at one moment. The zero value is empty.
type HistogramSnapshot struct {
	Count uint64
	// Sum wraps after 292 years summed over all observations.
	Sum time.Duration
	// Buckets counts the observations in each bucket alone, not in those below it.
	Buckets [bucketCount]uint64
}

// Quantile estimates the duration that a share q (0 to 1) of all observations
// did not exceed, interpolating within one bucket as Prometheus does. It
// returns 0 when there is no observation, and never more than 100 s.
func (s HistogramSnapshot) Quantile(q float64) time.Duration {
	if s.Count == 0 {
		return 0
	}
	rank := min(max(q, 0), 1) * float64(s.Count)
	var below float64 // observations in the buckets before this one
	for i, bound := range bounds {
		n := float64(s.Buckets[i])
		if n > 0 && below+n >= rank {
			return interpolate(i, bound, (rank-below)/n)
		}
		below += n
	}
	return bounds[boundCount-1]
}

// interpolate returns the duration that lies a share of the way through bucket.
func interpolate(bucket int, upper time.Duration, share float64) time.Duration {
	var lower time.Duration
	if bucket > 0 {
		lower = bounds[bucket-1]
	}
	return lower + time.Duration(share*float64(upper-lower))
}

// Sub returns what was observed since prev, an earlier snapshot of the same histogram.
func (s HistogramSnapshot) Sub(prev HistogramSnapshot) HistogramSnapshot {
	s.Count -= prev.Count
	s.Sum -= prev.Sum
	for i, n := range prev.Buckets {
		s.Buckets[i] -= n
	}
	return s
}

func (s HistogramSnapshot) add(other HistogramSnapshot) HistogramSnapshot {
	s.Count += other.Count
	s.Sum += other.Sum
	for i, n := range other.Buckets {
		s.Buckets[i] += n
	}
	return s
}

// Latency returns the figures of s that a status shows.
func (s HistogramSnapshot) Latency() Latency {
	return Latency{
		Count:     s.Count,
		Sum:       s.Sum.Seconds(),
		P50:       s.Quantile(0.50).Seconds(),
		P95:       s.Quantile(0.95).Seconds(),
		P99:       s.Quantile(0.99).Seconds(),
		Histogram: s,
	}
}
