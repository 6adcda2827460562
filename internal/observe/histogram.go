// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"math/bits"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"
)

const (
	// boundCount is five bounds for each of the seven decades from 10 µs, and 100 s.
	boundCount = 5*7 + 1
	// bucketCount has one bucket more, for what took longer than 100 s.
	bucketCount = boundCount + 1
)

// bounds are the inclusive upper ends of all buckets but the last: the preferred
// numbers of the R5 series (ISO 3), each about 1.6 times the one before it.
var bounds = makeBounds()

// firstBucket gives, for the bit length of a number of nanoseconds, the first
// bucket that a number of this length can be in. Bounds are further apart than
// a factor of 1.5, so at most two steps lead from there to the right one.
var firstBucket = makeFirstBucket()

func makeBounds() (b [boundCount]time.Duration) {
	decade := 10 * time.Microsecond
	for i := 0; i < boundCount-1; i += 5 {
		for j, tenths := range [5]time.Duration{10, 16, 25, 40, 63} {
			b[i+j] = decade / 10 * tenths
		}
		decade *= 10
	}
	b[boundCount-1] = decade
	return b
}

func makeFirstBucket() (first [65]uint8) {
	bucket := 0
	for length := 1; length < len(first); length++ {
		least := uint64(1) << (length - 1)
		for bucket < boundCount && uint64(bounds[bucket]) < least {
			bucket++
		}
		first[length] = uint8(bucket)
	}
	return first
}

// Histogram is a distribution of durations in fixed buckets from 10 µs to 100 s,
// kept in one shard for each loop.
type Histogram struct {
	shards []histogramShard // fixed after construction
}

// histogramShard is padded for the reason that counterShard is.
type histogramShard struct {
	buckets [bucketCount]atomic.Uint64
	sum     atomic.Int64 // nanoseconds
	_       cpu.CacheLinePad
}

// NewHistogram returns an empty histogram for loops numbered 0 to shards-1.
func NewHistogram(shards int) *Histogram {
	return &Histogram{shards: make([]histogramShard, shards)}
}

// Observe counts one duration; a negative one counts as zero. shard is the
// number of the calling loop; a goroutine that is not a loop uses 0.
func (h *Histogram) Observe(shard int, d time.Duration) {
	d = max(d, 0)
	s := &h.shards[shard]
	s.buckets[bucketOf(d)].Add(1)
	if d > 0 { // most requests find an upstream without a wait, and an atomic add is most of the cost
		s.sum.Add(int64(d))
	}
}

// bucketOf returns the number of the bucket that d, which is not negative, is in.
func bucketOf(d time.Duration) int {
	bucket := int(firstBucket[bits.Len64(uint64(d))])
	for bucket < boundCount && d > bounds[bucket] {
		bucket++
	}
	return bucket
}

// Snapshot returns the sum of all shards. What is observed meanwhile may be
// counted in Sum and not yet in a bucket, or the other way round.
func (h *Histogram) Snapshot() HistogramSnapshot {
	var sum HistogramSnapshot
	for i := range h.shards {
		sum = sum.add(h.Shard(i))
	}
	return sum
}

// Shard returns the part of one loop.
func (h *Histogram) Shard(shard int) HistogramSnapshot {
	s := &h.shards[shard]
	snap := HistogramSnapshot{Sum: time.Duration(s.sum.Load())}
	for i := range s.buckets {
		n := s.buckets[i].Load()
		snap.Buckets[i] = n
		snap.Count += n
	}
	return snap
}
