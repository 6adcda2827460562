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
	"github.com/weir-pg/weir/internal/upstream"
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
	servers := make(map[string]*serverStatus)
	for _, d := range g.databases() {
		now := d.pool.Status()
		s.Pools = append(s.Pools, snapshot(d, now))
		address := d.target.Address()
		if servers[address] == nil {
			servers[address] = &serverStatus{Server: observe.Server{Name: address}}
		}
		servers[address].note(now)
	}
	for _, server := range servers {
		s.Servers = append(s.Servers, server.summary())
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

// serverStatus is what the pools of one server know of it.
type serverStatus struct {
	observe.Server
	connected bool // some pool has a connection
}

// note adds what one pool knows. The server is down where a pool cannot reach
// it and none has a connection; a refusal is an answer too, and a pool that
// needs no connection says nothing.
func (s *serverStatus) note(now pool.Status) {
	s.connected = s.connected || now.Idle+now.Active > 0
	if now.Failing && upstream.Classify(now.LastError) == upstream.Down {
		s.LastError, s.LastErrorAt = now.LastError.Error(), now.LastErrorAt
	}
}

func (s *serverStatus) summary() observe.Server {
	if s.Up = s.connected || s.LastError == ""; s.Up {
		s.LastError, s.LastErrorAt = "", time.Time{}
	}
	return s.Server
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
		if g.hopeless(d, now) {
			continue
		}
		if now.Failing && now.Idle+now.Active == 0 {
			return fmt.Errorf("no connection to database %q as %q: %w", d.database, d.user, now.LastError)
		}
		if now.Idle+now.Active == 0 && now.Min > 0 {
			return fmt.Errorf("no connection to database %q as %q yet", d.database, d.user)
		}
	}
	return nil
}

// hopeless reports whether PostgreSQL has refused a pool that some client alone
// asked for: a mistake in one client's URL says nothing about the others.
func (g *Gateway) hopeless(d *database, now pool.Status) bool {
	return now.Failing && !g.configured(d.poolKey) && upstream.Classify(now.LastError) == upstream.Rejected
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
