// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// Counter is a count that only grows, kept in one shard for each loop.
type Counter struct {
	shards []counterShard // fixed after construction
}

// counterShard is padded: without the padding, each loop's write would take
// the cache line away from its neighbours.
type counterShard struct {
	n atomic.Uint64
	_ cpu.CacheLinePad
}

// NewCounter returns a counter at zero for loops numbered 0 to shards-1.
func NewCounter(shards int) *Counter {
	return &Counter{shards: make([]counterShard, shards)}
}

// Add adds n. shard is the number of the calling loop; a goroutine that is not
// a loop uses 0.
func (c *Counter) Add(shard int, n uint64) {
	c.shards[shard].n.Add(n)
}

// Value returns the sum over all shards.
func (c *Counter) Value() uint64 {
	var sum uint64
	for i := range c.shards {
		sum += c.shards[i].n.Load()
	}
	return sum
}
