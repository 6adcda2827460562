// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// Ailment is what is wrong with one pool, as Health found it.
type Ailment struct {
	Database, User string // as clients name the pool
	Err            error
	Late           error // why there was no more time; nil if PostgreSQL has answered
}

// Health asks PostgreSQL, by the pools that the settings name and the program's own,
// and waits for a connection as clients do. It returns what is wrong with those that do
// not answer before ctx ends, or an error if the gateway shuts down.
func (g *Gateway) Health(ctx context.Context) ([]Ailment, error) {
	if g.draining.Load() {
		return nil, errClosing
	}
	keys := g.vital()
	found := make([]*Ailment, len(keys))
	var asking sync.WaitGroup
	for i, key := range keys {
		asking.Go(func() { found[i] = g.ask(ctx, key) })
	}
	asking.Wait()
	var ailments []Ailment
	for _, a := range found {
		if a != nil {
			ailments = append(ailments, *a)
		}
	}
	return ailments, nil
}

// vital lists the pools that have to work: those of the settings and the
// program's own.
func (g *Gateway) vital() []poolKey {
	s := g.setup.Load()
	keys := slices.Clone(s.named)
	if database, user, err := Own(s.config); err == nil {
		key := poolKey{database: database, user: user}
		if _, known := s.identities.Lookup(database, user); known && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// ask has PostgreSQL answer something over one pool.
func (g *Gateway) ask(ctx context.Context, key poolKey) *Ailment {
	d, err := g.database(key.database, key.user)
	if err != nil {
		return &Ailment{Database: key.database, User: key.user, Err: err}
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
		return &Ailment{Database: key.database, User: key.user, Err: d.holdUp(), Late: context.Cause(ctx)}
	}
	return &Ailment{Database: key.database, User: key.user, Err: err}
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
