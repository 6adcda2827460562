// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"math"
	"math/rand/v2"
	"time"
)

// start is the zero of the package's clock. Pools and budgets share it, so that
// their instants can be compared.
var start = time.Now()

// never is the instant that does not come.
const never = time.Duration(math.MaxInt64)

// longAgo is before every instant.
const longAgo = time.Duration(math.MinInt64 / 2)

// now is the time since start. Read this way it is the monotonic clock alone,
// half the price of time.Now on a path that every transaction takes twice.
func now() time.Duration { return time.Since(start) }

// after is the instant d from t; a d of zero or less stands for no limit.
func after(t, d time.Duration) time.Duration {
	if d <= 0 {
		return never
	}
	return t + d
}

// jitter shortens d by a random part of at most the given fraction, so that
// what was opened or failed together does not end or retry together.
func jitter(d time.Duration, fraction float64) time.Duration {
	return d - time.Duration(rand.Float64()*fraction*float64(d))
}
