// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"errors"
	"fmt"
)

// HealthError is what is wrong with one pool, as [Gateway.Health] found it. It
// unwraps to why: an [Error] with weir's SQLSTATE or PostgreSQL's, so that
// [IsUpstreamDown] and [IsQueueTimeout] tell the two cases apart, and where time
// ran out also to the context's error.
type HealthError struct {
	Database, User string // as clients name the pool
	Err            error

	late error // why there was no more time; nil if PostgreSQL has answered
}

func (e *HealthError) Error() string {
	return fmt.Sprintf("database %q as %q: %v", e.Database, e.User, e.Err)
}

// Unwrap returns Err, and the context's error if time ran out.
func (e *HealthError) Unwrap() []error {
	if e.late == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.late}
}

// Health asks PostgreSQL, by the pools that the settings name and that of
// [Gateway.Pool], and waits for a connection as clients do. It returns nil if all
// answer before ctx ends, else a [HealthError] for each that does not, joined; or
// an [Error] for which [IsShuttingDown] holds. ctx should have a deadline.
//
// [Gateway.Ready] is the quicker look that load balancers want: it asks nothing
// where there is a connection.
func (g *Gateway) Health(ctx context.Context) error {
	ailments, err := g.engine.Health(ctx)
	if err != nil {
		return err
	}
	var found []error
	for _, a := range ailments {
		found = append(found, &HealthError{Database: a.Database, User: a.User, Err: a.Err, late: a.Late})
	}
	return errors.Join(found...)
}
