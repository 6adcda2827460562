// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// DoOption changes how [Do] works.
type DoOption func(*doOptions)

// WithTxOptions sets the isolation level and the like of the transaction.
func WithTxOptions(options pgx.TxOptions) DoOption {
	return func(o *doOptions) { o.tx = options }
}

// WithAttempts sets how often Do runs a transaction at most, the first time
// included. It is 10 by default; 1 or less runs nothing again.
func WithAttempts(n int) DoOption {
	return func(o *doOptions) { o.attempts = n }
}

// WithBackoff sets how long Do waits before it runs a transaction again: first
// after the first attempt, twice as long after each further one, but never
// longer than most. Each pause is shortened by up to half of it at random, so
// that those who have met do not meet again. The default is 10 ms and 1 s: with
// 10 attempts between 1.6 and 3.3 s in all, about as long as PostgreSQL restarts.
func WithBackoff(first, most time.Duration) DoOption {
	return func(o *doOptions) { o.first, o.most = first, most }
}

// WithPatience sets how long Do goes on: no attempt begins later than d after the
// first, however many are left, so that a call in which each attempt has to wait
// ends at some time. It is 30 s by default, as Config.Pool.AcquireTimeout is; 0 or
// less is no bound. The time of attempts that PostgreSQL has undone because of
// others (40001, 40P01) does not count: they worked, and did not wait.
func WithPatience(d time.Duration) DoOption {
	return func(o *doOptions) { o.patience = d }
}

// Retry is an attempt that has failed, before the next one.
type Retry struct {
	Attempt int           // the attempts so far, from 1
	Err     error         // of the last one
	Pause   time.Duration // until the next one
}

// OnRetry has Do call f each time before it pauses, for a log or a metric.
func OnRetry(f func(Retry)) DoOption {
	return func(o *doOptions) { o.onRetry = f }
}

type doOptions struct {
	tx          pgx.TxOptions
	attempts    int
	first, most time.Duration
	patience    time.Duration
	onRetry     func(Retry)
}

func newDoOptions(options []DoOption) *doOptions {
	o := &doOptions{attempts: 10, first: 10 * time.Millisecond, most: time.Second, patience: 30 * time.Second}
	for _, set := range options {
		set(o)
	}
	return o
}

// pause is how long to wait after attempt n, from 1.
func (o *doOptions) pause(n int) time.Duration {
	d := max(0, min(o.first, o.most))
	for ; n > 1 && d < o.most; n-- {
		d = min(2*d, o.most)
	}
	return d - rand.N(d/2+1)
}
