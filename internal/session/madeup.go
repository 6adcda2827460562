// SPDX-License-Identifier: Apache-2.0

package session

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// madeUp are the settings with a dot in their names that clients of a pool have set.
// pg_settings does not list them (PostgreSQL: GUC_CUSTOM_PLACEHOLDER), so they can
// only be asked for by name.
type madeUp struct {
	mu    sync.Mutex
	names map[string]struct{} // guarded by mu
}

// mostMadeUp bounds the names that a pool remembers.
const mostMadeUp = 1024

// add notes those of the settings that programs have made up. One that is not ASCII
// would be other bytes for a client with another encoding.
func (m *madeUp) add(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		if !strings.Contains(name, ".") || len(m.names) >= mostMadeUp || !isASCII(name) {
			continue
		}
		if m.names == nil {
			m.names = make(map[string]struct{})
		}
		m.names[name] = struct{}{}
	}
}

// list returns the names that are known.
func (m *madeUp) list() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.names))
}
