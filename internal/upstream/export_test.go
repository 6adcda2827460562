// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// SetLookup replaces how a target resolves names.
func SetLookup(t *Target, lookup pgconn.LookupFunc) { t.config.LookupFunc = lookup }

// Patient has a target wait for each host however long it is silent, so that a
// machine that stalls brings in neither the next one nor one that was tried.
func Patient(t *Target) { t.headStart, t.anew = time.Hour, time.Hour }

// VerifyAsLibpq is verifyAsLibpq.
var VerifyAsLibpq = verifyAsLibpq

// Failed is the error of a login for which a host's addresses gave errs.
func Failed(host string, errs ...error) error {
	e := &Error{Database: "shop", Role: "bob"}
	e.replace(host, []error{errors.Join(errs...)})
	return e
}

// Take makes a Login of a connection that has logged in over a Swap.
func Take(ctx context.Context, conn *pgconn.PgConn) (*Login, error) {
	return (&attempt{target: new(Target), config: new(pgconn.Config)}).take(ctx, conn)
}
