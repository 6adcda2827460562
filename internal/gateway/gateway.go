// SPDX-License-Identifier: Apache-2.0

// Package gateway is the engine of weir: who may log in, which pool a client belongs to,
// how many connections a role, a database and a server may have, and what a reload and
// a shutdown do to all of them. What a program sees of it is package weir.
package gateway

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

// Gateway is a running gateway. Its methods may be called from any goroutine.
type Gateway struct {
	// Fixed after New.
	first   *config.Config // that of New, for what a reload does not change
	log     *slog.Logger
	version string
	since   time.Time // when it was opened
	loops   *loop.Group
	busy    *observe.Histogram // stretches of the loops away from their pollers
	env     *session.Env

	setup     atomic.Pointer[setup] // written by New, and by Reload under mu
	reloading sync.Mutex            // held by Reload; comes before mu
	reloaded  atomic.Pointer[observe.Reload]
	rates     observe.Window

	draining atomic.Bool
	refused  atomic.Uint64
	logins   logins
	said     struct{ accept, room, starved observe.Seldom } // what the log is told seldom
	sockets  atomic.Int64                                   // how many clients descriptors allow; written under mu

	mu         sync.Mutex
	listeners  []net.Listener        // guarded by mu
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

// Options is what a gateway needs besides its settings.
type Options struct {
	Logger  *slog.Logger
	Version string // that the status shows

	// OwnProcess: the process is for this gateway alone. It then sets GOMAXPROCS so
	// that its loops need not share processors with the rest, and has them wait for
	// events in a cheaper way.
	OwnProcess bool
}

// New starts a gateway with settings that were checked. PostgreSQL is not asked.
func New(cfg *config.Config, opts Options) (*Gateway, error) {
	g := &Gateway{
		first:    cfg,
		log:      opts.Logger,
		version:  opts.Version,
		since:    time.Now(),
		pools:    make(map[poolKey]*database),
		servers:  make(map[serverKey]*server),
		budgets:  make(map[budgetKey]*budget),
		limits:   make(map[limitsKey]*limits),
		replicas: make(map[*replica]struct{}),
		dropped:  make(chan struct{}, 1),
	}
	first, err := g.newSetup(cfg, nil)
	if err != nil {
		return nil, err
	}
	loops := loopCount(cfg, opts.OwnProcess)
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

// Done is closed when the gateway has ended.
func (g *Gateway) Done() <-chan struct{} { return g.background.Done() }

// Shutdown ends the gateway. After Config.ShutdownPause it takes no new clients, sends
// idle ones away with 57P01, over Config.ShutdownSpread, and the others when their
// transaction has ended. When ctx ends first, the transactions still in progress are cut
// and the error says how many. closeHandles begins to close the program's own pools; the
// channel that it returns is closed when they are.
func (g *Gateway) Shutdown(ctx context.Context, closeHandles func() <-chan struct{}) error {
	g.draining.Store(true)
	g.pause(ctx)
	handles := closeHandles()
	err := g.stopListening()
	gone := g.env.Drain(ctx, g.Config().ShutdownSpread)
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

// pause lets load balancers notice that the gateway is not ready any more.
func (g *Gateway) pause(ctx context.Context) {
	pause := g.Config().ShutdownPause
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
