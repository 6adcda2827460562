// SPDX-License-Identifier: Apache-2.0

// Package weir is a gateway between applications and PostgreSQL. Many clients
// hold cheap connections to it, it holds few expensive ones to PostgreSQL, and
// lends one to a client for as long as a transaction lasts.
//
// A Go program can have that inside: [Open] starts a gateway, and [Gateway.Pool]
// and [Gateway.DB] are ready pools whose connections end in the gateway, without a
// port and without TCP. [Gateway.ListenAndServe] serves other programs too, and
// is what the weir command calls, see cmd/weir.
//
// [Do] runs a transaction, and again where that is safe; [Batch], [BatchAll],
// [BatchTx] and [BatchPipeline] run many operations. They work on any pool of pgx.
package weir

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/gateway"
)

// Gateway is a running gateway. Its methods may be called from any goroutine.
type Gateway struct {
	engine  *gateway.Gateway
	log     *slog.Logger
	started func(*Gateway) error // of WhenListening; nil for nobody
	driver  *pgxpool.Config      // what those of the program start from
	handles handles
	http    atomic.Pointer[net.Addr] // nil while no HTTP is served
}

// Open starts a gateway, which the program reaches with Pool, DB, ConnConfig and
// Dial, and others once ListenAndServe, Listen or Serve lets them in. Shutdown
// or Close ends it.
//
// ctx bounds Open and not the gateway. PostgreSQL is not asked, and need not be
// up: Health says whether it is. A cfg that cannot be used is a [Mistakes].
func Open(ctx context.Context, cfg Config, opts ...Option) (*Gateway, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open weir: %w", context.Cause(ctx))
	}
	first, err := config.Complete(cfg, config.Inside)
	if err != nil {
		return nil, err
	}
	o := optionsOf(opts)
	g := &Gateway{log: o.Logger, started: o.started}
	if g.driver, err = newDriver(); err != nil {
		return nil, err
	}
	if g.engine, err = gateway.New(first, o.Options); err != nil {
		return nil, err
	}
	return g, nil
}

// Shutdown ends the gateway. Ready fails from then on; after Config.ShutdownPause
// it takes no new clients, sends idle ones away with 57P01, over
// Config.ShutdownSpread, and the others when their transaction has ended. The
// program's own connections, of Pool and DB, are clients like any other, and
// both are closed. When ctx ends first, the transactions still in progress are
// cut and the error says how many. Afterwards weir has no connection to
// PostgreSQL.
func (g *Gateway) Shutdown(ctx context.Context) error {
	return g.engine.Shutdown(ctx, g.handles.close)
}

// Close ends the gateway at once. Its error says how many clients were cut in what
// they did.
func (g *Gateway) Close() error {
	now, end := context.WithCancel(context.Background())
	end()
	return g.Shutdown(now)
}

// Dial connects the program to its own gateway, over a pipe in memory: no port, no
// socket, no TLS. It is a dial function for drivers, which name in
// their start-up packet the database and user that they want; network and
// address say nothing. The program has the password of the upstream anyway, so
// none is asked for, but the user has to be one that could log in with it.
//
// It fails once Shutdown has begun.
func (g *Gateway) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return g.engine.Dial(ctx)
}

// Listen opens the addresses of Config.Listen and serves clients there, in the
// background, until Shutdown. On an error none is open. Settings that make it
// unsafe or senseless to listen there are [Mistakes].
func (g *Gateway) Listen() error { return g.engine.Listen() }

// Serve serves clients that connect to l, in the background, until Shutdown,
// which closes l.
func (g *Gateway) Serve(l net.Listener) error { return g.engine.Serve(l) }

// Addr returns the address of the first listener, nil where there is none.
func (g *Gateway) Addr() net.Addr { return g.engine.Addr() }

// Reload has the gateway go on with other settings. No client is dropped but
// those of a database or user that the settings do not have any more, which are
// sent away with 57P01 when their transaction ends. Connections to PostgreSQL
// that would be opened differently now are replaced as they become idle.
//
// Files that the settings name (certificates, passwords) are read again. Settings
// that only a restart changes are logged, and stay. On an error nothing has
// changed.
func (g *Gateway) Reload(next Config) error { return g.engine.Reload(next) }

// ReloadFailed notes, for log and status, that there are new settings which
// cannot be used. The old ones stay.
func (g *Gateway) ReloadFailed(err error) { g.engine.ReloadFailed(err) }
