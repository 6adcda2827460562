// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"strings"
	"sync/atomic"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// errorClasses are the classes of SQLSTATE (PostgreSQL documentation, appendix A)
// that are counted apart. All others share the last entry, so that the number of
// series does not depend on what the server sends.
var errorClasses = [...]string{"08", "22", "23", "25", "26", "28", "40", "42", "53", "57", "XX", "other"}

// Errors counts ErrorResponses of PostgreSQL by class of SQLSTATE. The zero
// value is ready. It is not sharded: errors are rare beside queries.
type Errors struct {
	counts [len(errorClasses)]atomic.Uint64
}

// Add counts one error; code is its SQLSTATE.
func (e *Errors) Add(code string) {
	last := len(errorClasses) - 1
	for i, class := range errorClasses[:last] {
		if strings.HasPrefix(code, class) {
			e.counts[i].Add(1)
			return
		}
	}
	e.counts[last].Add(1)
}

// Values returns the count of every class, the zeros too.
func (e *Errors) Values() map[string]uint64 {
	return valuesOf(errorClasses[:], e.counts[:])
}

// total returns the count of all classes.
func (e *Errors) total() uint64 { return sumOf(e.counts[:]) }

// sumOf adds counts up.
func sumOf(counts []atomic.Uint64) (sum uint64) {
	for i := range counts {
		sum += counts[i].Load()
	}
	return sum
}

// valuesOf returns counts by their names, the zeros too.
func valuesOf(names []string, counts []atomic.Uint64) map[string]uint64 {
	values := make(map[string]uint64, len(names))
	for i, name := range names {
		values[name] = counts[i].Load()
	}
	return values
}

// The reasons for which a pool refuses a request, as they appear in a status.
var rejectReasons = [...]string{"queue_timeout", string(sqlstate.MaxPinned), "upstream_down", "upstream_rejected", "shutdown", "other"}

// Rejects counts by reason the requests that weir itself refused because they
// got no upstream. The zero value is ready. It is not sharded.
type Rejects struct {
	counts [len(rejectReasons)]atomic.Uint64
}

// Add counts one refusal by the error that the client got.
func (r *Rejects) Add(err *sqlstate.Error) {
	r.counts[rejectReason(err)].Add(1)
}

// Values returns the count of every reason, the zeros too.
func (r *Rejects) Values() map[string]uint64 {
	return valuesOf(rejectReasons[:], r.counts[:])
}

// total returns the count of all reasons.
func (r *Rejects) total() uint64 { return sumOf(r.counts[:]) }

// rejectReason returns the index in rejectReasons of why a request was refused.
func rejectReason(err *sqlstate.Error) int {
	if err.Reason == sqlstate.MaxPinned {
		return 1
	}
	switch err.Code {
	case sqlstate.TooManyConnections:
		return 0
	case sqlstate.ConnectionFailure, sqlstate.CannotConnectNow:
		return 2
	case sqlstate.InvalidAuthorization, sqlstate.InvalidPassword, sqlstate.InvalidCatalogName:
		return 3
	case sqlstate.AdminShutdown:
		return 4
	default:
		return 5
	}
}
