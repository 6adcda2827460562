// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/web"
)

// Status is the state of a gateway at one moment.
type Status = observe.Snapshot

// Status returns the gateway's state now.
func (g *Gateway) Status() Status {
	s := Status{
		Version:  g.version,
		Started:  g.started,
		Taken:    time.Now(),
		Draining: g.draining.Load(),
	}
	servers := make(map[string]*observe.Server)
	for _, d := range g.databases() {
		now := d.pool.Status()
		s.Pools = append(s.Pools, snapshot(d, now))
		noteServer(servers, d.target.Address(), now)
	}
	for _, server := range servers {
		s.Servers = append(s.Servers, *server)
	}
	slices.SortFunc(s.Servers, func(a, b observe.Server) int { return strings.Compare(a.Name, b.Name) })
	s.Budgets = g.budgetStatus()
	for i := range g.loops.Len() {
		s.Loops = append(s.Loops, observe.Loop{Number: i, Busy: g.busy.Shard(i).Latency()})
	}
	s.Clients = g.env.Clients()
	s.Clients.Login = g.logins.count()
	s.Clients.Total += s.Clients.Login
	s.Clients.Max = g.maxClients
	s.Clients.Refused = g.refused.Load()
	s.Summarise()
	return s
}

// snapshot is one pool in the status.
func snapshot(d *database, now pool.Status) observe.Pool {
	p := d.pool.Stats().Snapshot()
	p.Mode = d.pool.Mode()
	p.Idle, p.Active, p.Connecting = now.Idle, now.Active, now.Connecting
	p.Min, p.Max = now.Min, now.Limit
	p.Waiting, p.OldestWait = now.Waiting, now.OldestWait.Seconds()
	if now.Failing {
		p.LastError = now.LastError.Error()
	}
	return p
}

// noteServer adds what one pool knows of its server. It is up where any pool's
// last connect succeeded.
func noteServer(servers map[string]*observe.Server, name string, now pool.Status) {
	known := servers[name]
	if known == nil {
		known = &observe.Server{Name: name}
		servers[name] = known
	}
	open := now.Idle+now.Active > 0
	switch {
	case open && !now.Failing:
		known.Up, known.LastError = true, ""
	case now.Failing && !known.Up:
		known.LastError, known.Since = now.LastError.Error(), now.LastErrorAt
	}
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

// Ready returns nil when a client could be served now, else a sentence that
// says what is missing.
func (g *Gateway) Ready(context.Context) error {
	if g.draining.Load() {
		return errors.New("weir is shutting down")
	}
	for _, d := range g.databases() {
		now := d.pool.Status()
		if now.Failing && now.Idle+now.Active == 0 {
			return fmt.Errorf("no connection to database %q as %q: %w", d.database, d.user, now.LastError)
		}
		if now.Idle+now.Active == 0 && now.Min > 0 {
			return fmt.Errorf("no connection to database %q as %q yet", d.database, d.user)
		}
	}
	return nil
}

// Handler serves health, metrics, status and the page. listen is the address
// it will be served on, host:port.
func (g *Gateway) Handler(listen string) http.Handler {
	return web.New(web.Options{
		Snapshot: g.Status,
		Ready:    g.Ready,
		Gatherer: observe.NewRegistry(g.Status),
		Logger:   g.log,
		Listen:   listen,
	})
}
