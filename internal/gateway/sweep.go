// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"slices"
	"time"
)

// sweepEvery is how often pools that nobody uses are looked for.
const sweepEvery = time.Minute

// sweep forgets pools that clients asked for and nobody uses any more: a
// program that makes a database for each test run must not leave a pool for
// each. It runs until the gateway closes.
func (g *Gateway) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-g.dropped:
		case <-g.background.Done():
			return
		}
		for _, d := range g.forgetUnused() {
			d.pool.Close(errClosing)
		}
	}
}

// forgetUnused takes out the pools without clients and connections, and the
// limits, servers and budgets that no other pool needs. The caller closes them.
func (g *Gateway) forgetUnused() (unused []*database) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, d := range g.pools {
		if d.pool.Unused() && !g.configured(key) {
			delete(g.pools, key)
			g.past = g.past.Add(d.pool.Stats().Sample())
			unused = append(unused, d)
		}
	}
	if len(unused) == 0 {
		return nil
	}
	g.order = slices.DeleteFunc(g.order, func(d *database) bool { return slices.Contains(unused, d) })
	g.forgetSharedLocked()
	g.shareFilesLocked()
	return unused
}

// forgetSharedLocked takes out the limits and budgets that no pool needs.
func (g *Gateway) forgetSharedLocked() {
	for key, l := range g.limits {
		if !slices.ContainsFunc(g.order, func(d *database) bool { return d.limits == l }) {
			l.stop()
			delete(g.limits, key)
		}
	}
	for key, s := range g.servers {
		if !slices.ContainsFunc(g.order, func(d *database) bool { return d.server == s }) {
			delete(g.servers, key)
		}
	}
	for key, b := range g.budgets {
		if !g.boundLocked(b) {
			delete(g.budgets, key)
		}
	}
}

// boundLocked reports whether a budget bounds a pool or a replication connection.
func (g *Gateway) boundLocked(b *budget) bool {
	for r := range g.replicas {
		if slices.Contains(r.budgets, b) {
			return true
		}
	}
	return slices.ContainsFunc(g.order, func(d *database) bool { return slices.Contains(d.budgets, b) })
}
