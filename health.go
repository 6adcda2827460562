// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/weir-pg/weir/internal/sqlstate"
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
	if g.draining.Load() {
		return errClosing
	}
	keys := g.vital()
	found := make([]error, len(keys))
	var asking sync.WaitGroup
	for i, key := range keys {
		asking.Go(func() { found[i] = g.ask(ctx, key) })
	}
	asking.Wait()
	return errors.Join(found...)
}

// vital lists the pools that have to work: those of the settings and the
// program's own.
func (g *Gateway) vital() []poolKey {
	s := g.setup.Load()
	keys := slices.Clone(s.named)
	if database, user, err := own(s.config); err == nil {
		key := poolKey{database: database, user: user}
		if _, known := s.identities.Lookup(database, user); known && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// ask has PostgreSQL answer something over one pool.
func (g *Gateway) ask(ctx context.Context, key poolKey) error {
	d, err := g.database(key.database, key.user)
	if err != nil {
		return &HealthError{Database: key.database, User: key.user, Err: err}
	}
	answer := make(chan error, 1)
	go func() { // a PostgreSQL that hangs may take longer than ctx has, up to pool.connect_timeout
		defer d.pool.Drop()
		_, err := d.pool.Query(ctx, "select 'healthy', 1")
		answer <- err
	}()
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &HealthError{Database: key.database, User: key.user, Err: d.holdUp(), late: context.Cause(ctx)}
	}
	return &HealthError{Database: key.database, User: key.user, Err: err}
}

// holdUp is why a pool has not served somebody in time.
func (d *database) holdUp() error {
	now := d.pool.Status()
	address := d.target.Address()
	switch {
	case now.Failing:
		return now.LastError
	case now.Active >= now.Limit:
		e := &sqlstate.Error{
			Code:    sqlstate.TooManyConnections,
			Message: fmt.Sprintf("no connection to PostgreSQL at %s became free in time: %d of %d are in use", address, now.Active, now.Limit),
			Detail:  fmt.Sprintf("%d requests wait, the oldest for %v.", now.Waiting, now.OldestWait),
			Routine: sqlstate.QueueTimeout,
		}
		if now.Source != "" {
			e.Hint = "The limit comes from " + now.Source + "."
		}
		return e
	}
	return &sqlstate.Error{
		Code:    sqlstate.ConnectionFailure,
		Message: fmt.Sprintf("PostgreSQL at %s has not answered in time", address),
		Routine: sqlstate.UpstreamDown,
	}
}
