// SPDX-License-Identifier: Apache-2.0

package weir

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/weir-pg/weir/internal/gateway"
)

// insideDSN is the start of a driver's settings: what would otherwise come from
// the environment, which is about the upstream, is said. The host is only for
// the driver's errors.
const insideDSN = "host=weir port=5432 user=- dbname=- password=- sslmode=disable sslnegotiation=postgres target_session_attrs=any"

// ConnConfig returns the settings with which pgx connects to this gateway, by
// Dial, as the upstream's user to its database; cancel requests take the same
// way. All may be changed, so Database and User for others than these. It is an
// error where the settings name several databases, and no upstream for all of
// them that would say which is meant.
func (g *Gateway) ConnConfig() (*pgx.ConnConfig, error) {
	c := g.driver.ConnConfig.Copy()
	if err := g.direct(c); err != nil {
		return nil, err
	}
	return c, nil
}

// PoolConfig returns the settings of [Gateway.Pool], for a pool that does more:
// that registers types in AfterConnect, or traces. The pool is the caller's, who
// closes it before Shutdown.
func (g *Gateway) PoolConfig() (*pgxpool.Config, error) {
	c := g.poolConfig()
	if err := g.direct(c.ConnConfig); err != nil {
		return nil, err
	}
	return c, nil
}

// newDriver returns what pgx makes of insideDSN in this environment.
func newDriver() (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(insideDSN)
	if err != nil {
		return nil, fmt.Errorf("the environment has settings for connections to PostgreSQL that cannot be used: %w", err)
	}
	return c, nil
}

// direct has c lead to this gateway.
func (g *Gateway) direct(c *pgx.ConnConfig) (err error) {
	c.DialFunc = g.Dial
	c.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	c.TLSConfig, c.Fallbacks = nil, nil
	c.Password, c.ChannelBinding, c.RequireAuth = "", "disable", ""
	clear(c.RuntimeParams) // the upstream has those of the environment
	c.Database, c.User, err = gateway.Own(g.engine.Config())
	return err
}

// mostInside bounds the connections of Pool. It is far more than there are
// upstreams, so that who has to wait does so in weir's queue: that is first come,
// first served over all clients, knows why it waits, and counts. Beyond it, a
// goroutine waits for a connection to weir, of which each costs a few KiB.
const mostInside = 1000

func (g *Gateway) poolConfig() *pgxpool.Config {
	c := g.driver.Copy()
	c.MaxConns = int32(min(mostInside, g.engine.MaxClients()))
	c.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool {
		return !quiet(p.Conn.PgConn().Conn())
	}
	return c
}

// handles are the ready pools of a gateway. The zero value has none.
type handles struct {
	mu     sync.Mutex
	pool   *pgxpool.Pool // guarded by mu; nil before the first Pool
	db     *sql.DB       // guarded by mu; nil before the first DB
	closed chan struct{} // guarded by mu; nil before close, closed when all is
}

// Pool returns the pool whose connections end in this gateway: always the same
// one, made by the first call. It connects when it is used, and what keeps it
// from that, such as settings that name several databases, is the error of its
// first use; this is why there is none here.
//
// It belongs to the gateway: Shutdown and Close close it, and wait for
// connections that were acquired from it until their context ends.
func (g *Gateway) Pool() *pgxpool.Pool {
	g.handles.mu.Lock()
	defer g.handles.mu.Unlock()
	return g.poolLocked()
}

func (g *Gateway) poolLocked() *pgxpool.Pool {
	h := &g.handles
	if h.pool != nil {
		return h.pool
	}
	c := g.poolConfig()
	c.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error { return g.direct(c) }
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		panic(err) // it refuses impossible sizes alone
	}
	h.pool = pool
	if h.closed != nil {
		h.pool.Close()
	}
	return h.pool
}

// DB returns a database/sql handle whose connections are those of [Gateway.Pool].
// It belongs to the gateway in the same way, and there is one as well.
func (g *Gateway) DB() *sql.DB {
	g.handles.mu.Lock()
	defer g.handles.mu.Unlock()
	h := &g.handles
	if h.db == nil {
		h.db = stdlib.OpenDBFromPool(g.poolLocked())
		if h.closed != nil {
			_ = h.db.Close() // it has no connection yet
		}
	}
	return h.db
}

// close begins to close the pools, which give out no connection from then on. The
// channel that it returns is closed when those that were out are back.
func (h *handles) close() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed != nil {
		return h.closed
	}
	h.closed = make(chan struct{})
	go func(pool *pgxpool.Pool, db *sql.DB) {
		defer close(h.closed)
		if db != nil {
			_ = db.Close() // closes no more than the pool does
		}
		if pool != nil {
			pool.Close()
		}
	}(h.pool, h.db)
	return h.closed
}
