// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/session"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/upstream"
)

// sender is what serves a connection at PostgreSQL.
type sender uint8

const (
	ordinary sender = iota // a backend
	physical               // a WAL sender without a database
	logical                // a WAL sender in a database, which also takes SQL
)

// senderOf reads the "replication" of a start-up packet: "database", or a
// boolean in any form that PostgreSQL takes (ProcessStartupPacket,
// parse_bool_with_len).
func senderOf(login *auth.Login) (sender, error) {
	s := ordinary
	for _, p := range login.Params {
		if p.Name != "replication" {
			continue
		}
		switch strings.ToLower(p.Value) {
		case "t", "tr", "tru", "true", "y", "ye", "yes", "on", "1":
			s = physical
		case "f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0":
			s = ordinary
		default:
			if p.Value != "database" {
				return s, invalidReplication(p.Value)
			}
			s = logical
		}
	}
	return s, nil
}

// invalidReplication is PostgreSQL's own error.
func invalidReplication(value string) error {
	return &sqlstate.Error{
		Severity: sqlstate.SeverityFatal,
		Code:     sqlstate.InvalidParameterValue,
		Message:  `invalid value for parameter "replication": "` + value + `"`,
		Hint:     `Valid values are: "false", 0, "true", 1, "database".`,
	}
}

// replica is one replication connection. It belongs to no pool, and has a place
// in the budgets.
type replica struct {
	poolKey
	g       *Gateway
	target  *upstream.Target
	budgets []*budget
	limits  *limits // nil for physical replication, which has no database to read them in
	done    func()  // lets go of the pool that has the limits
	pid     uint32  // of the backend, 0 before it is there; guarded by Gateway.mu
}

// replicate connects a client that wants to replicate to an upstream of its own.
// What the client has to wait for counts against the acquire timeout.
func (g *Gateway) replicate(login *auth.Login, s sender) error {
	r, err := g.newReplica(login, s)
	if err != nil {
		return err
	}
	up, err := r.connect(g.accepting, startParams(login))
	if err != nil {
		r.end()
		return err
	}
	g.mu.Lock()
	r.pid = up.PID
	g.mu.Unlock()
	g.log.Info("replication connection opened", "database", r.database, "user", r.user, "address", up.Address, "pid", up.PID)
	ended := func() {
		r.give()
		g.log.Info("replication connection closed", "database", r.database, "user", r.user, "pid", up.PID)
	}
	if err = g.env.Replicate(login, up, ended); err != nil {
		_ = up.Stream.Close()
		ended()
	}
	if errors.Is(err, session.ErrFull) {
		return g.tooManyClients() // others were faster
	}
	return err
}

// newReplica finds out where a client's replication connection goes.
func (g *Gateway) newReplica(login *auth.Login, s sender) (*replica, error) {
	r := &replica{poolKey: poolKey{database: login.Database, user: login.User}, g: g, done: func() {}}
	if s == logical {
		d, err := g.database(r.database, r.user)
		if err != nil {
			return nil, err
		}
		r.target, r.budgets, r.limits, r.done = d.target, d.budgets, d.limits, d.pool.Drop
	} else {
		target, err := g.physicalTarget(r.database, r.user)
		if err != nil {
			return nil, err
		}
		r.target = target
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if s == physical {
		r.budgets = g.physicalBudgetsLocked(r)
	}
	g.replicas[r] = struct{}{}
	return r, nil
}

// physicalTarget is the server whose WAL a client of a database may have. The
// name is the one it logged in to weir with, mostly "replication"; PostgreSQL
// ignores it.
func (g *Gateway) physicalTarget(name, user string) (*upstream.Target, error) {
	target, err := targetOf(g.Config(), name, user)
	if err == nil || g.Config().Upstream == "" {
		return target, err
	}
	shared, err := upstream.ParseTarget(g.Config().Upstream)
	if err != nil {
		return nil, err
	}
	role, password := roleOf(g.Config(), "", "", user, shared)
	return shared.With("", role, password), nil
}

// physicalBudgetsLocked returns the budgets of a connection without a database.
func (g *Gateway) physicalBudgetsLocked(r *replica) []*budget {
	address := r.target.Address()
	reserve := g.Config().PoolFor(r.database, r.user).Reserve
	return []*budget{
		g.budgetLocked(budgetKey{observe.ScopeServer, address, ""}, "server "+address, 0),
		g.budgetLocked(budgetKey{observe.ScopeRole, address, r.target.User()}, "role "+quote(r.target.User()), reserve),
	}
}

// replicaRetry is the pause before a server that is down or full is tried again.
const replicaRetry = 250 * time.Millisecond

// connect takes a place in the budgets and logs in, as soon as there is room and
// PostgreSQL lets it, within the acquire timeout. On an error it has no place.
func (r *replica) connect(ctx context.Context, params map[string]string) (*upstream.Login, error) {
	settings := r.g.Config().PoolFor(r.database, r.user)
	late := time.Now().Add(settings.AcquireTimeout)
	if err := pool.Reserve(ctx, settings.AcquireTimeout, budgetsOf(r.budgets)...); err != nil {
		return nil, err
	}
	for {
		up, err := r.try(ctx, settings.ConnectTimeout, params)
		if err == nil {
			return up, nil
		}
		if upstream.Classify(err) == upstream.Rejected || time.Until(late) < replicaRetry || ctx.Err() != nil {
			pool.Give(budgetsOf(r.budgets)...)
			return nil, err
		}
		select {
		case <-time.After(replicaRetry):
		case <-ctx.Done():
		}
	}
}

// try logs in once.
func (r *replica) try(ctx context.Context, timeout time.Duration, params map[string]string) (*upstream.Login, error) {
	ctx, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	if r.limits != nil {
		if _, err := r.limits.ensure(ctx); err != nil {
			return nil, err
		}
	}
	return r.target.Login(ctx, params)
}

// give gives back the place of a replica that was connected, and forgets it.
func (r *replica) give() {
	pool.Give(budgetsOf(r.budgets)...)
	r.end()
}

// end forgets the replica.
func (r *replica) end() {
	r.g.mu.Lock()
	delete(r.g.replicas, r)
	r.g.mu.Unlock()
	r.done()
}

// startParams are all settings of a start-up packet but the user and database.
func startParams(login *auth.Login) map[string]string {
	params := make(map[string]string, len(login.Params))
	for _, p := range login.Params {
		params[p.Name] = p.Value
	}
	return params
}

// replicaPIDsLocked lists the backends that replicate for clients from a server.
func (g *Gateway) replicaPIDsLocked(address string) (list []uint32) {
	for r := range g.replicas {
		if r.pid != 0 && r.target.Address() == address {
			list = append(list, r.pid)
		}
	}
	return list
}
