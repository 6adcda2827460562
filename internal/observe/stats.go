// SPDX-License-Identifier: Apache-2.0

package observe

// PoolStats is what one pool counts and times. All fields are set by
// [NewPoolStats] and stay; each may be written from every loop at once.
type PoolStats struct {
	Database, User string

	Wait        *Histogram // from asking for an upstream to getting one, at once or after a queue
	Query       *Histogram // from forwarding a request to its ReadyForQuery
	Transaction *Histogram // from taking an upstream to letting it go
	Connect     *Histogram // from dialling to a finished login, successful ones only

	Queries      *Counter // requests that ended with ReadyForQuery
	Transactions *Counter // times that an upstream was let go
	Parses       *Counter // Parse messages that weir sent because the upstream lacked the statement
	Deferred     *Counter // transactions whose BEGIN was held back
	BytesIn      *Counter // received from clients
	BytesOut     *Counter // sent to clients

	Notifications     *Counter // given to clients that listen
	NotificationsLost *Counter // that clients which were disconnected did not take

	Errors  Errors  // what PostgreSQL answered
	Rejects Rejects // what weir answered instead of asking PostgreSQL
	Retries Retries // what weir asked PostgreSQL again
}

// NewPoolStats returns the statistics, all zero, of the pool of user in database
// for loops numbered 0 to shards-1.
func NewPoolStats(database, user string, shards int) *PoolStats {
	return &PoolStats{
		Database:     database,
		User:         user,
		Wait:         NewHistogram(shards),
		Query:        NewHistogram(shards),
		Transaction:  NewHistogram(shards),
		Connect:      NewHistogram(shards),
		Queries:      NewCounter(shards),
		Transactions: NewCounter(shards),
		Parses:       NewCounter(shards),
		Deferred:     NewCounter(shards),
		BytesIn:      NewCounter(shards),
		BytesOut:     NewCounter(shards),

		Notifications:     NewCounter(shards),
		NotificationsLost: NewCounter(shards),
	}
}

// Snapshot returns the pool's entry in a [Snapshot] as far as it is counted
// here. Mode, connections, queue and limits are the caller's to fill in.
func (s *PoolStats) Snapshot() Pool {
	return Pool{
		Database:          s.Database,
		User:              s.User,
		Queries:           s.Queries.Value(),
		Transactions:      s.Transactions.Value(),
		Parses:            s.Parses.Value(),
		Deferred:          s.Deferred.Value(),
		BytesIn:           s.BytesIn.Value(),
		BytesOut:          s.BytesOut.Value(),
		Notifications:     s.Notifications.Value(),
		NotificationsLost: s.NotificationsLost.Value(),
		Errors:            s.Errors.Values(),
		Rejects:           s.Rejects.Values(),
		Retries:           s.Retries.Values(),
		Wait:              s.Wait.Snapshot().Latency(),
		Query:             s.Query.Snapshot().Latency(),
		Transaction:       s.Transaction.Snapshot().Latency(),
		Connect:           s.Connect.Snapshot().Latency(),
	}
}
