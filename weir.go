// SPDX-License-Identifier: Apache-2.0

// Package weir is a gateway between applications and PostgreSQL. Many clients
// hold cheap connections to it, it holds few expensive ones to PostgreSQL, and
// lends one to a client for as long as a transaction lasts.
//
// The weir command is this package with flags, see cmd/weir.
package weir

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/session"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// Config is every setting of a gateway; [DefaultConfig] is a start.
type Config = config.Config

// DefaultConfig returns the settings of a gateway of which nothing is said. Its
// Upstream has to be set.
func DefaultConfig() *Config { return config.Default() }

// Options are what a gateway needs besides its settings. The zero value will do.
type Options struct {
	Logger  *slog.Logger // nil logs nothing
	Version string       // for the status; "" is "dev"

	// OwnProcess says that the program is for this gateway. It then sets
	// GOMAXPROCS so that its loops need not share processors with the rest, and
	// has them wait for events in a cheaper way.
	OwnProcess bool
}

// Gateway is a running gateway. Its methods may be called from any goroutine.
type Gateway struct {
	// Fixed after Open.
	first   *Config // that of Open, for what a reload does not change
	log     *slog.Logger
	version string
	started time.Time
	loops   *loop.Group
	busy    *observe.Histogram // stretches of the loops away from their pollers
	env     *session.Env

	setup     atomic.Pointer[setup] // written by Open, and by Reload under mu
	reloading sync.Mutex            // held by Reload; comes before mu
	reloaded  atomic.Pointer[observe.Reload]

	draining atomic.Bool
	refused  atomic.Uint64
	logins   logins

	mu         sync.Mutex
	listeners  []net.Listener        // guarded by mu
	pools      map[poolKey]*database // guarded by mu
	order      []*database           // guarded by mu; in the order in which they were made
	servers    map[serverKey]*server // guarded by mu
	budgets    map[budgetKey]*budget // guarded by mu
	limits     map[limitsKey]*limits // guarded by mu
	replicas   map[*replica]struct{} // guarded by mu; the replication connections
	closed     bool                  // guarded by mu
	ended      sync.Once
	sweeping   sync.WaitGroup  // the goroutines of sweep and shareRoles
	dropped    chan struct{}   // has sweep look at once: a database may have gone
	serving    sync.WaitGroup  // accept loops and logins
	background context.Context // ends when the gateway closes
	stop       context.CancelFunc
	accepting  context.Context // ends when it takes no more clients
	refuse     context.CancelCauseFunc
}

// Open starts a gateway that nobody can reach yet: see ListenAndServe and
// Serve. PostgreSQL need not be up. Close or Shutdown ends it.
func Open(cfg *Config, opts Options) (*Gateway, error) {
	g := &Gateway{
		first:    cfg,
		log:      opts.Logger,
		version:  opts.Version,
		started:  time.Now(),
		pools:    make(map[poolKey]*database),
		servers:  make(map[serverKey]*server),
		budgets:  make(map[budgetKey]*budget),
		limits:   make(map[limitsKey]*limits),
		replicas: make(map[*replica]struct{}),
		dropped:  make(chan struct{}, 1),
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.version == "" {
		g.version = "dev"
	}
	first, err := g.newSetup(cfg, nil)
	if err != nil {
		return nil, err
	}
	g.busy = observe.NewHistogram(loopCount(cfg))
	if g.loops, err = loop.NewGroup(g.loopOptions(cfg, opts)); err != nil {
		return nil, err
	}
	g.logins.init(cfg.MaxLogins)
	g.background, g.stop = context.WithCancel(context.Background())
	g.accepting, g.refuse = context.WithCancelCause(g.background)
	g.env = session.NewEnv(g.loops, g.log)
	g.env.Declare(cfg.SessionFunctions, cfg.PinFunctions)
	g.use(first)
	g.openConfigured()
	g.sweeping.Go(g.sweep)
	g.sweeping.Go(g.shareRoles)
	g.sweeping.Go(func() { g.env.KeepTime(g.background) })
	return g, nil
}

// errClosing is what requests get that still wait when the gateway closes.
var errClosing = &sqlstate.Error{
	Severity: sqlstate.SeverityFatal,
	Code:     sqlstate.AdminShutdown,
	Message:  "terminating connection because weir is shutting down",
}

// Shutdown ends the gateway. Ready fails from then on; after Config.ShutdownPause
// it takes no new clients, sends idle ones away with 57P01, over
// Config.ShutdownSpread, and the others when their transaction has ended. When ctx ends first,
// the transactions still in progress are cut and the error says how many.
// Afterwards weir has no connection to PostgreSQL.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.draining.Store(true)
	g.pause(ctx)
	err := g.stopListening()
	gone := g.env.Drain(ctx, g.config().ShutdownSpread)
	select {
	case <-gone:
	case <-ctx.Done():
		if cut := g.env.Clients().Total; cut > 0 {
			err = errors.Join(err, fmt.Errorf("%d clients were still connected at the end of the shutdown and were cut", cut))
		}
		g.env.Abort(gone)
	}
	return errors.Join(err, g.close())
}

// Close ends the gateway at once.
func (g *Gateway) Close() error {
	now, end := context.WithCancel(context.Background())
	end()
	return g.Shutdown(now)
}

// pause lets load balancers notice that the gateway is not ready any more.
func (g *Gateway) pause(ctx context.Context) {
	pause := g.config().ShutdownPause
	if pause <= 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// stopListening closes the listeners and ends the logins under way.
func (g *Gateway) stopListening() error {
	g.mu.Lock()
	g.closed = true
	listeners := g.listeners
	g.listeners = nil
	g.mu.Unlock()
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.Close())
	}
	g.logins.cancelAll(errClosing)
	g.refuse(errClosing)
	g.serving.Wait()
	return errors.Join(errs...)
}

// close ends what is left when no client is. Only the first call does
// anything, the others wait for it.
func (g *Gateway) close() (err error) {
	g.ended.Do(func() { err = g.end() })
	return err
}

func (g *Gateway) end() error {
	g.stop()
	for _, d := range g.databases() {
		d.pool.Close(errClosing)
	}
	for _, l := range g.allLimits() {
		<-l.done
	}
	g.sweeping.Wait()
	return g.loops.Close()
}

// budgetsOf lists the places that a connection of the pool takes.
func budgetsOf(list []*budget) []*pool.Budget {
	budgets := make([]*pool.Budget, len(list))
	for i, b := range list {
		budgets[i] = b.Budget
	}
	return budgets
}
