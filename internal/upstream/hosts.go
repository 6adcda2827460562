// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"slices"
	"sync"
)

// Hosts is what targets with the same hosts remember of them together. The
// zero value remembers nothing.
type Hosts struct {
	mu    sync.Mutex
	first string // where the last login succeeded; tried first
	last  string // tried last
}

// found notes that a login to the host succeeded.
func (h *Hosts) found(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.first = address
}

// avoid has the host tried after all the others.
func (h *Hosts) avoid(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = address
}

// order returns routes with those to the first host at the beginning and those
// to the last at the end.
func (h *Hosts) order(routes []route, sticky bool) []route {
	h.mu.Lock()
	defer h.mu.Unlock()
	rank := func(r route) int {
		switch address := r.address(); {
		case address == h.last:
			return 1
		case sticky && address == h.first:
			return -1
		}
		return 0
	}
	routes = slices.Clone(routes)
	slices.SortStableFunc(routes, func(a, b route) int { return rank(a) - rank(b) })
	return routes
}

// Share has the target remember its hosts together with others.
func (t *Target) Share(h *Hosts) { t.hosts = h }

// Avoid has a host tried after all the others, for all that share it.
func (t *Target) Avoid(address string) { t.hosts.avoid(address) }

// Hosts returns how many hosts the target has.
func (t *Target) Hosts() int { return len(t.addresses()) }
