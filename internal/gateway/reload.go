// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/upstream"
)

// Reload has the gateway go on with other settings. No client is dropped but
// those of a database or user that the settings do not have any more, which are
// sent away with 57P01 when their transaction ends. Connections to PostgreSQL
// that would be opened differently now are replaced as they become idle.
//
// Files that the settings name (certificates, passwords) are read again, and so is what
// weir knows of PostgreSQL: limits on connections, defaults of roles, routines. Settings
// that only a restart changes are logged, and stay. On an error nothing has
// changed.
func (g *Gateway) Reload(next config.Config) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	cfg, err := config.Complete(next, g.place())
	if err != nil {
		g.ReloadFailed(err)
		return err
	}
	changed, _ := g.Config().Changes(cfg)
	if err := g.reload(cfg); err != nil {
		g.ReloadFailed(err)
		return err
	}
	_, restart := g.first.Changes(cfg)
	g.reloaded.Store(&observe.Reload{At: time.Now(), Changed: changed, Restart: restart})
	g.log.Info("the settings were reloaded", "changed", changed)
	if len(restart) > 0 {
		g.log.Warn("some settings need a restart of weir to change", "settings", restart)
	}
	return nil
}

// place says where the gateway's clients come from.
func (g *Gateway) place() config.Place {
	if g.Addr() == nil {
		return config.Inside
	}
	return config.Served
}

// ReloadFailed notes, for log and status, that there are new settings which
// cannot be used. The old ones stay.
func (g *Gateway) ReloadFailed(err error) {
	g.reloaded.Store(&observe.Reload{At: time.Now(), Error: err.Error()})
	mistakes, ok := errors.AsType[config.Mistakes](err)
	if !ok {
		g.log.Error("the settings were not reloaded; the old ones stay", "error", err)
		return
	}
	for _, m := range mistakes {
		g.log.Error("the settings were not reloaded because of a mistake; the old ones stay", "mistake", m.String())
	}
}

// reload makes the new setup and, if that is possible, takes it over.
func (g *Gateway) reload(cfg *config.Config) error {
	next, err := g.newSetup(cfg, g.setup.Load())
	if err != nil {
		return err
	}
	for _, d := range g.databases() {
		if _, err := targetOf(cfg, d.database, d.user); err != nil && !errors.As(err, new(*sqlstate.Error)) {
			return err
		}
	}
	former, err := g.takeOver(next)
	if err != nil {
		return err
	}
	for _, l := range former {
		<-l.done
	}
	g.openConfigured()
	return nil
}

// takeOver changes the setup, and all pools to what it says of them. It returns
// the limits that are not read again: who logs in to do so has changed, perhaps.
func (g *Gateway) takeOver(next *setup) (former []*limits, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errors.New("weir is shutting down")
	}
	g.use(next)
	defer g.shareFilesLocked()
	old := g.limits
	g.limits = make(map[limitsKey]*limits)
	for i, d := range g.order {
		d = g.reconfiguredLocked(d)
		g.order[i], g.pools[d.poolKey] = d, d
	}
	for key, l := range old {
		l.stop()
		former = append(former, l)
		if next := g.limits[key]; next != nil {
			next.start.Store(l.start.Load())
			next.former <- l
		}
	}
	g.forgetSharedLocked()
	return former, nil
}

// reconfiguredLocked changes a pool to what the settings say of it now.
func (g *Gateway) reconfiguredLocked(d *database) *database {
	target, err := g.allowed(d.poolKey)
	if err != nil {
		gone := *d
		gone.removed = &sqlstate.Error{
			Severity: sqlstate.SeverityFatal,
			Code:     sqlstate.AdminShutdown,
			Message:  fmt.Sprintf("terminating connection because weir's settings do not let %q into database %q any more", d.user, d.database),
		}
		d.pool.Retire(gone.removed)
		return &gone
	}
	next := g.newDatabaseLocked(d.poolKey, d.settings, target)
	next.pool = d.pool
	next.pool.Reconfigure(g.options(next))
	return next
}

// allowed returns where the clients of a pool are connected to, or why there may
// not be any.
func (g *Gateway) allowed(key poolKey) (*upstream.Target, error) {
	target, err := targetOf(g.Config(), key.database, key.user)
	if err != nil {
		return nil, err
	}
	if _, ok := g.setup.Load().identities.Lookup(key.database, key.user); !ok {
		return nil, fmt.Errorf("user %q may not log in", key.user)
	}
	return target, nil
}
