// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/upstream"
)

// recently is the stretch of Status.Recent.
const recently = 10 * time.Second

// Status returns the gateway's state now: it reads counters, and asks nobody.
func (g *Gateway) Status() observe.Snapshot {
	s := observe.Snapshot{
		Version:  g.version,
		Started:  g.since,
		Taken:    time.Now(),
		Draining: g.draining.Load(),
	}
	for _, d := range g.databases() {
		s.Pools = append(s.Pools, snapshot(d, d.pool.Status()))
	}
	s.Servers = g.serverStatus()
	s.Budgets = g.budgetStatus()
	for i := range g.loops.Len() {
		s.Loops = append(s.Loops, observe.Loop{Number: i, Busy: g.busy.Shard(i).Latency()})
	}
	s.Clients = g.env.Clients()
	s.Clients.Login = g.logins.count()
	s.Clients.Total += s.Clients.Login
	s.Clients.Max = g.MaxClients()
	s.Clients.Refused = g.refused.Load()
	s.Clients.StatementBytes = g.env.StatementBytes()
	if r := g.reloaded.Load(); r != nil {
		s.Reload = *r
	}
	now := g.sample()
	s.Recent, s.Minute = g.rates.Over(now, recently), g.rates.Over(now, time.Minute)
	s.Summarise()
	return s
}

// snapshot is one pool in the status.
func snapshot(d *database, now pool.Status) observe.Pool {
	p := d.pool.Stats().Snapshot()
	p.Mode = d.pool.Mode()
	p.Idle, p.Active, p.Connecting = now.Idle, now.Active, now.Connecting
	p.Listening, p.Listeners, p.Channels = d.pool.Listening()
	p.Min, p.Max = now.Min, now.Limit
	p.Waiting, p.OldestWait = now.Waiting, now.OldestWait.Seconds()
	p.Pins = d.pool.Pins()
	if p.Pinned = len(p.Pins); p.Pinned > 0 {
		p.OldestPin = p.Pins[0].Age
	}
	if now.Failing {
		p.LastError = now.LastError.Error()
	}
	return p
}

func (g *Gateway) serverStatus() (list []observe.Server) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, server := range g.servers {
		now := server.Status()
		s := observe.Server{
			Name: key.address, Address: now.Address, Up: now.Since.IsZero(), HeldSince: now.Since,
			Outages: now.Outages, Probes: now.Probes, Down: now.Down.Seconds(),
		}
		if !s.Up {
			s.LastError, s.LastErrorAt = now.Error.Error(), now.TriedAt
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b observe.Server) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (g *Gateway) budgetStatus() (list []observe.Budget) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, b := range g.budgets {
		now := b.Status()
		name := key.name
		if name == "" {
			name = key.address
		}
		list = append(list, observe.Budget{
			Scope: key.scope, Name: name, Limit: now.Limit, Effective: now.Effective, Source: now.Source, InUse: now.InUse,
		})
	}
	slices.SortFunc(list, func(a, b observe.Budget) int {
		return strings.Compare(string(a.Scope)+a.Name, string(b.Scope)+b.Name)
	})
	return list
}

// readyPatience bounds the wait for a first connection in Ready: as long as
// Kubernetes waits for an answer of a readiness probe by default.
const readyPatience = time.Second

// Ready returns nil when a client could be served now, else a sentence that
// says what is missing. A configured pool without a connection opens one to
// find out; one that a client asked for says nothing while it has none.
func (g *Gateway) Ready(ctx context.Context) error {
	if g.draining.Load() {
		return errors.New("weir is shutting down")
	}
	ctx, stop := context.WithTimeout(ctx, readyPatience)
	defer stop()
	for _, d := range g.databases() {
		now := d.pool.Status()
		if now.Idle+now.Active > 0 || d.removed != nil || g.hopeless(d, now) {
			continue
		}
		var err error
		if !now.Failing && g.configured(d.poolKey) {
			err = d.pool.Reach(ctx)
			now = d.pool.Status()
		}
		if now.Failing {
			err = now.LastError
		}
		if err != nil {
			return fmt.Errorf("no connection to database %q as %q: %w", d.database, d.user, err)
		}
	}
	return nil
}

// hopeless reports whether PostgreSQL has refused a pool that some client alone
// asked for: a mistake in one client's URL says nothing about the others.
func (g *Gateway) hopeless(d *database, now pool.Status) bool {
	return now.Failing && !g.configured(d.poolKey) && upstream.Classify(now.LastError) == upstream.Rejected
}
