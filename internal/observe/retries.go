// SPDX-License-Identifier: Apache-2.0

package observe

import "sync/atomic"

// Retry is why a request was sent to PostgreSQL again.
type Retry uint8

const (
	// Unsent: the connection was lost before anything of the request was written.
	Unsent Retry = iota
	// Conflict: PostgreSQL undid the statement, 40001 or 40P01.
	Conflict
	// Read: the connection was lost while a statement ran that only reads.
	Read

	retryReasons // how many there are
)

var retryNames = [retryReasons]string{"unsent", "conflict", "read"}

// String returns the reason as it appears in a status.
func (r Retry) String() string { return retryNames[r] }

// Retries counts by reason the requests that were sent again. The zero value is
// ready. It is not sharded.
type Retries struct {
	counts [retryReasons]atomic.Uint64
}

// Add counts one.
func (r *Retries) Add(why Retry) { r.counts[why].Add(1) }

// Values returns the count of every reason, the zeros too.
func (r *Retries) Values() map[string]uint64 {
	return valuesOf(retryNames[:], r.counts[:])
}
