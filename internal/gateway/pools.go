// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/session"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/upstream"
)

// poolKey is what clients ask for.
type poolKey struct {
	database, user string
	start          string // settings that connections start with, see encodeStart; mostly ""
}

// database is one pool with what it is made of. It does not change; a reload
// makes another one with the same pool.
type database struct {
	poolKey
	settings map[string]string // poolKey's start
	pool     *session.Pool
	config   config.Pool
	target   *upstream.Target
	server   *server
	budgets  []*budget
	limits   *limits
	removed  *sqlstate.Error // why its clients have to go: the settings do not have it any more
}

// openConfigured makes the pools that are known without a client: their
// minimum of connections is kept from the start.
func (g *Gateway) openConfigured() {
	for _, key := range g.setup.Load().named {
		d, err := g.database(key.database, key.user)
		if err != nil {
			g.log.Error("a configured pool cannot be opened", "database", key.database, "user", key.user, "error", err)
			continue
		}
		d.pool.Drop()
	}
}

// configuredPools lists the pools that the settings name.
func configuredPools(cfg *config.Config) (keys []poolKey) {
	if len(cfg.Databases) == 0 {
		if t, err := upstream.ParseTarget(cfg.Upstream); err == nil && len(cfg.Users) == 0 {
			keys = append(keys, poolKey{database: t.Database(), user: t.User()})
		}
		return keys
	}
	for _, d := range cfg.Databases {
		if d.Name == "*" || len(cfg.Users) > 0 {
			continue
		}
		if d, ok := cfg.DatabaseFor(d.Name); ok {
			if t, err := upstream.ParseTarget(d.Upstream); err == nil {
				keys = append(keys, poolKey{database: d.Name, user: t.User()})
			}
		}
	}
	return keys
}

// configured reports whether the settings name the pool: only such a pool keeps
// a minimum of connections.
func (g *Gateway) configured(key poolKey) bool {
	return slices.Contains(g.setup.Load().named, key)
}

// database returns the pool for a client's database and user, which it opens
// for the first. The caller holds it until Drop.
func (g *Gateway) database(name, user string) (*database, error) {
	return g.databaseWith(name, user, nil)
}

// databaseWith is database for clients that share connections only with those
// whose connections have to start with the same settings.
func (g *Gateway) databaseWith(name, user string, start map[string]string) (*database, error) {
	key := poolKey{name, user, encodeStart(start)}
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.pools[key]
	switch {
	case g.closed:
		return nil, errClosing
	case d != nil && d.removed != nil:
		return nil, noDatabase(name)
	case d == nil:
		target, err := targetOf(g.Config(), name, user)
		if err != nil {
			return nil, err
		}
		d = g.newDatabaseLocked(key, start, target)
		d.pool = g.env.NewPool(g.options(d))
		g.pools[key] = d
		g.order = append(g.order, d)
		g.shareFilesLocked()
	}
	d.pool.Hold()
	return d, nil
}

// newDatabaseLocked is what the settings say of a pool now, without the pool.
func (g *Gateway) newDatabaseLocked(key poolKey, start map[string]string, target *upstream.Target) *database {
	d := &database{poolKey: key, settings: start, config: g.Config().PoolFor(key.database, key.user), target: target}
	if !g.configured(key) {
		d.config.Min = 0
	}
	d.server = g.serverLocked(target)
	d.budgets = g.budgetsForLocked(d)
	d.limits = g.limitsForLocked(d)
	return d
}

// options is what the pool is made of.
func (g *Gateway) options(d *database) session.PoolOptions {
	return session.PoolOptions{
		Database:  d.database,
		User:      d.user,
		Config:    d.config,
		Target:    d.target,
		Budgets:   scopesOf(d.budgets),
		Server:    d.server.Server,
		Databases: &neighbours{g, d.target.Address()},
		Start:     d.settings,
		Prepare:   d.startup,

		DefaultsChanged: func() { d.limits.stale.Store(true) },
	}
}

// targetOf returns where the clients of a database and user are connected to,
// and as whom.
func targetOf(cfg *config.Config, name, user string) (*upstream.Target, error) {
	d, ok := cfg.DatabaseFor(name)
	if !ok {
		return nil, noDatabase(name)
	}
	shared, err := upstream.ParseTarget(d.Upstream)
	if err != nil {
		return nil, fmt.Errorf("upstream of database %q: %w", name, err)
	}
	role, password := roleOf(cfg, d.User, d.Password, user, shared)
	return shared.With(d.Database, role, password), nil
}

// roleOf returns as whom clients log in to PostgreSQL: the database's role if it
// has one, else what their user has. Empty is that of the upstream's URL.
func roleOf(cfg *config.Config, role, password, user string, shared *upstream.Target) (string, string) {
	if u, ok := cfg.UserFor(user); ok && role == "" {
		role = cmp.Or(u.UpstreamUser, u.Name)
		password = cmp.Or(u.UpstreamPassword, u.Password)
		if role == shared.User() && password == "" {
			password = shared.Password()
		}
	}
	return role, password
}

func noDatabase(name string) *sqlstate.Error {
	return &sqlstate.Error{
		Severity: sqlstate.SeverityFatal,
		Code:     sqlstate.InvalidCatalogName,
		Message:  fmt.Sprintf("database %q does not exist", name),
		Detail:   "weir.toml has no [databases." + name + "], and no [databases.\"*\"] for any other.",
	}
}

// databases returns the pools in the order in which they were made.
func (g *Gateway) databases() []*database {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]*database(nil), g.order...)
}

// budgetKey names what a budget is for.
type budgetKey struct {
	scope   observe.Scope
	address string // of the server
	name    string // of the role or database, "" for the server
}

// budget is a limit that pools share.
type budget struct {
	*pool.Budget
	budgetKey
	share   share        // of a role; one reading at a time
	kept    atomic.Int64 // what the share keeps us to; 0 is nothing
	looking atomic.Int64 // connections that read limits, and are in no pool
}

// budgetsForLocked returns the budgets that bound a pool: the server's, the
// database's and the role's.
func (g *Gateway) budgetsForLocked(d *database) []*budget {
	address := d.target.Address()
	return []*budget{
		g.budgetLocked(budgetKey{observe.ScopeServer, address, ""}, "server "+address, 0),
		g.budgetLocked(budgetKey{observe.ScopeDatabase, address, d.target.Database()}, "database "+quote(d.target.Database()), 0),
		g.budgetLocked(budgetKey{observe.ScopeRole, address, d.target.User()}, "role "+quote(d.target.User()), d.config.Reserve),
	}
}

// scopesOf are the budgets by what they limit.
func scopesOf(list []*budget) map[upstream.Scope]*pool.Budget {
	scopes := make(map[upstream.Scope]*pool.Budget, len(list))
	for _, b := range list {
		switch b.scope {
		case observe.ScopeServer:
			scopes[upstream.ServerScope] = b.Budget
		case observe.ScopeDatabase:
			scopes[upstream.DatabaseScope] = b.Budget
		case observe.ScopeRole:
			scopes[upstream.RoleScope] = b.Budget
		}
	}
	return scopes
}

func quote(name string) string { return `"` + name + `"` }

func (g *Gateway) budgetLocked(key budgetKey, name string, reserve int) *budget {
	b := g.budgets[key]
	if b != nil {
		b.SetReserve(reserve) // a reload may have changed it
	} else {
		b = &budget{
			budgetKey: key,
			Budget:    pool.NewBudget(pool.BudgetConfig{Name: name, Limit: pool.NoLimit, Source: "no limit", Reserve: reserve, Logger: g.log}),
		}
		g.budgets[key] = b
	}
	return b
}
