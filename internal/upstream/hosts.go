// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"reflect"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
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

// Attrs is the target's target_session_attrs.
func (t *Target) Attrs() string {
	// pgconn keeps of the word, which may come from the URL, the environment or
	// a service file, only the function that it stands for.
	wish := reflect.ValueOf(t.config.ValidateConnect).Pointer()
	for word, check := range map[string]pgconn.ValidateConnectFunc{
		"read-write":     pgconn.ValidateConnectTargetSessionAttrsReadWrite,
		"read-only":      pgconn.ValidateConnectTargetSessionAttrsReadOnly,
		"primary":        pgconn.ValidateConnectTargetSessionAttrsPrimary,
		"standby":        pgconn.ValidateConnectTargetSessionAttrsStandby,
		"prefer-standby": pgconn.ValidateConnectTargetSessionAttrsPreferStandby,
	} {
		if reflect.ValueOf(check).Pointer() == wish {
			return word
		}
	}
	return "any"
}

// Single reports whether the target looks for the one server that takes writes.
func (t *Target) Single() bool {
	attrs := t.Attrs()
	return attrs == "read-write" || attrs == "primary"
}

// WantsPrimary reports whether a standby is the wrong server for the target: it
// asks for one that takes writes, or has several hosts and asks for nothing. Who
// names one host and no more means that one, whatever it is.
func (t *Target) WantsPrimary() bool {
	return t.Single() || t.Attrs() == "any" && t.Hosts() > 1
}

// Avoid has a host tried after all the others, for all that share it.
func (t *Target) Avoid(address string) { t.hosts.avoid(address) }

// Hosts returns how many hosts the target has.
func (t *Target) Hosts() int { return len(t.addresses()) }
