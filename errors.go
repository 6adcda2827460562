// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// Error is an error that this package itself returns with a SQLSTATE: of Dial, of
// Health. A driver that gets weir's answer makes an error of its own of it, such
// as *pgconn.PgError. The functions below know both kinds, and tell weir's errors
// from PostgreSQL's with the same SQLSTATE; docs/errors.md lists all.
type Error = sqlstate.Error

// IsQueueTimeout reports whether err says that no connection to PostgreSQL became
// free within Config.Pool.AcquireTimeout (53300). Nothing was executed.
func IsQueueTimeout(err error) bool { return markerOf(err) == sqlstate.QueueTimeout }

// IsTooManyClients reports whether err says that Config.MaxClients was reached
// (53300). Nothing was executed.
func IsTooManyClients(err error) bool { return markerOf(err) == sqlstate.TooManyClients }

// IsUpstreamDown reports whether err says that PostgreSQL could not be reached for
// as long as the request waited (08006). Nothing was executed.
func IsUpstreamDown(err error) bool { return markerOf(err) == sqlstate.UpstreamDown }

// IsUpstreamLost reports whether err says that the connection to PostgreSQL broke
// while it was in use. If its SQLSTATE is 08007, what ran may have happened;
// otherwise it was rolled back, or only read.
func IsUpstreamLost(err error) bool {
	m := markerOf(err)
	return m == sqlstate.UpstreamLost || m == sqlstate.TransactionLost
}

// IsShuttingDown reports whether err says that the gateway stops (57P01). What it
// answers was not executed.
func IsShuttingDown(err error) bool { return markerOf(err) == sqlstate.ShuttingDown }

// NotExecuted reports whether err is weir's word that the request which it answers
// never reached PostgreSQL, so that it may be sent again whatever it does.
func NotExecuted(err error) bool {
	switch markerOf(err) {
	case sqlstate.QueueTimeout, sqlstate.QueueCanceled, sqlstate.TooManyClients, sqlstate.UpstreamDown, sqlstate.ShuttingDown:
		return true
	case sqlstate.UpstreamLost, sqlstate.TransactionLost:
	}
	return false
}

// markerOf returns the Routine of the error in err's chain that came from weir,
// or what PostgreSQL has there.
func markerOf(err error) sqlstate.Marker {
	if e, ok := errors.AsType[*sqlstate.Error](err); ok {
		return e.Routine
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return sqlstate.Marker(e.Routine)
	}
	if e, ok := errors.AsType[fields](err); ok {
		return sqlstate.Marker(e.Get('R'))
	}
	return ""
}

// fields is the *Error of lib/pq, which gives the fields of an ErrorResponse by
// their letters.
type fields interface {
	error
	Get(field byte) string
}
