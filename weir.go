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
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/pool"
	"github.com/weir-pg/weir/internal/session"
	"github.com/weir-pg/weir/internal/sqlstate"
)

// Gateway is a running gateway. Its methods may be called from any goroutine.
type Gateway struct {
	// Fixed after Open.
	first   *Config // that of Open, for what a reload does not change
	log     *slog.Logger
	version string
	since   time.Time // when it was opened
	loops   *loop.Group
	busy    *observe.Histogram // stretches of the loops away from their pollers
	env     *session.Env
	started func(*Gateway) error // of WhenListening; nil for nobody
	driver  *pgxpool.Config      // what those of the program start from

	setup     atomic.Pointer[setup] // written by Open, and by Reload under mu
	reloading sync.Mutex            // held by Reload; comes before mu
	reloaded  atomic.Pointer[observe.Reload]
	rates     observe.Window

	draining atomic.Bool
	refused  atomic.Uint64
	logins   logins
	handles  handles
	said     struct{ accept, room, starved observe.Seldom } // what the log is told seldom
	sockets  atomic.Int64                                   // how many clients descriptors allow; written under mu

	mu         sync.Mutex
	listeners  []net.Listener        // guarded by mu
	http       net.Addr              // guarded by mu; nil while no HTTP is served
	pools      map[poolKey]*database // guarded by mu
	order      []*database           // guarded by mu; in the order in which they were made
	servers    map[serverKey]*server // guarded by mu
	budgets    map[budgetKey]*budget // guarded by mu
	limits     map[limitsKey]*limits // guarded by mu
	replicas   map[*replica]struct{} // guarded by mu; the replication connections
	past       observe.Sample        // guarded by mu; what pools have counted that are gone
	closed     bool                  // guarded by mu
	ended      sync.Once
	sweeping   sync.WaitGroup  // the goroutines of sweep, shareRoles and keepRates
	dropped    chan struct{}   // has sweep look at once: a database may have gone
	serving    sync.WaitGroup  // accept loops and logins
	background context.Context // ends when the gateway closes
	stop       context.CancelFunc
	accepting  context.Context // ends when it takes no more clients
	refuse     context.CancelCauseFunc
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
	return open(first, optionsOf(opts))
}

// open is Open with settings that were checked.
func open(cfg *Config, opts options) (*Gateway, error) {
	g := &Gateway{
		first:    cfg,
		log:      opts.logger,
		version:  opts.version,
		started:  opts.started,
		since:    time.Now(),
		pools:    make(map[poolKey]*database),
		servers:  make(map[serverKey]*server),
		budgets:  make(map[budgetKey]*budget),
		limits:   make(map[limitsKey]*limits),
		replicas: make(map[*replica]struct{}),
		dropped:  make(chan struct{}, 1),
	}
	var err error
	if g.driver, err = newDriver(); err != nil {
		return nil, err
	}
	first, err := g.newSetup(cfg, nil)
	if err != nil {
		return nil, err
	}
	loops := loopCount(cfg, opts.ownProcess)
	g.busy = observe.NewHistogram(loops)
	if g.loops, err = loop.NewGroup(g.loopOptions(loops, opts)); err != nil {
		return nil, err
	}
	g.logins.init(cfg.MaxLogins)
	g.background, g.stop = context.WithCancel(context.Background())
	g.accepting, g.refuse = context.WithCancelCause(g.background)
	g.env = session.NewEnv(g.loops, g.log)
	g.env.Declare(cfg.SessionFunctions, cfg.PinFunctions)
	g.use(first)
	g.shareFiles()
	g.openConfigured()
	g.sweeping.Go(g.sweep)
	g.sweeping.Go(g.shareRoles)
	g.sweeping.Go(g.keepRates)
	g.sweeping.Go(func() { g.env.KeepTime(g.background) })
	return g, nil
}

// errClosing is what requests get that still wait when the gateway closes.
var errClosing = &sqlstate.Error{
	Severity: sqlstate.SeverityFatal,
	Code:     sqlstate.AdminShutdown,
	Message:  "terminating connection because weir is shutting down",
	Routine:  sqlstate.ShuttingDown,
}

// Shutdown ends the gateway. Ready fails from then on; after Config.ShutdownPause
// it takes no new clients, sends idle ones away with 57P01, over
// Config.ShutdownSpread, and the others when their transaction has ended. The
// program's own connections, of Pool and DB, are clients like any other, and
// both are closed. When ctx ends first, the transactions still in progress are
// cut and the error says how many. Afterwards weir has no connection to
// PostgreSQL.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.draining.Store(true)
	g.pause(ctx)
	handles := g.handles.close()
	err := g.stopListening()
	gone := g.env.Drain(ctx, g.config().ShutdownSpread)
	select {
	case <-gone:
	case <-ctx.Done():
		g.cutAfter(farewell, gone)
	}
	err = errors.Join(err, g.close())
	select {
	case <-handles:
	case <-ctx.Done(): // who holds a connection of Pool finds it closed
	}
	if cut := g.env.Cut(); cut > 0 {
		err = errors.Join(err, fmt.Errorf("%d clients were still connected at the end of the shutdown and were cut", cut))
	}
	return err
}

// farewell is how long clients that ask nothing have to leave when there is no
// time: enough to be told so.
const farewell = 250 * time.Millisecond

// cutAfter ends the clients that do not leave by themselves within d. gone is what
// Drain returned.
func (g *Gateway) cutAfter(d time.Duration, gone <-chan struct{}) {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-gone:
	case <-late.C:
		g.env.Abort(gone)
	}
}

// Close ends the gateway at once. Its error says how many clients were cut in what
// they did.
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
