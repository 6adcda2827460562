// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/weir-pg/weir/internal/wire"
)

// meter is what an exchange times and counts while it holds an upstream. The
// counts are added to the pool's figures when it lets go of it.
type meter struct {
	acquired time.Time // when the upstream was
	began    time.Time // when the present transaction did, if there is one
	asked    time.Time // when the present query was sent; zero before the first
	answered time.Time // when the last one was
	quiet    stillness // what a sweep saw of a client that owes its next message
	looked   bool      // the pool's catalog was looked at since the last query was sent

	queries, bytesIn, bytesOut uint64
}

// startMeter begins to count for an upstream that was just acquired.
func (x *exchange) startMeter() {
	now := time.Now()
	x.meter = meter{acquired: now, began: now, answered: now}
}

// count adds bytes that went to and came from the upstream.
func (x *exchange) count(to, from int) {
	x.meter.bytesIn += uint64(to)
	x.meter.bytesOut += uint64(from)
}

// observeQuery records that a query, or a group up to its Sync, was answered.
func (x *exchange) observeQuery() {
	now := time.Now()
	m := &x.meter
	m.queries++
	x.pool().stats.Query.Observe(x.shard(), now.Sub(m.asked))
	m.answered = now
	m.asked = now // of the next in a pipeline
	if x.status == wire.Idle {
		m.began = now
	}
}

// observeTransaction records that the client needs its upstream no more.
func (x *exchange) observeTransaction() {
	if x.meter.queries > 0 {
		stats := x.pool().stats
		stats.Transaction.Observe(x.shard(), x.meter.answered.Sub(x.meter.acquired))
		stats.Transactions.Add(x.shard(), 1)
	}
}

// record adds what was counted to the pool's figures.
func (x *exchange) record() {
	stats, m := x.pool().stats, &x.meter
	stats.Queries.Add(x.shard(), m.queries)
	stats.BytesIn.Add(x.shard(), m.bytesIn)
	stats.BytesOut.Add(x.shard(), m.bytesOut)
	m.queries, m.bytesIn, m.bytesOut = 0, 0, 0
}
