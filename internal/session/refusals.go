// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"time"
)

// refusals are the settings that upstreams of a pool have refused a short while ago.
type refusals struct {
	mu  sync.Mutex
	all map[Settings]refusal // guarded by mu
}

// refusal is what is known of some settings.
type refusal struct {
	since time.Time
	past  int  // upstreams with a past that have refused them
	fresh bool // one that nobody had used has refused them too
}

const (
	// mostRefusals bounds the settings that are remembered.
	mostRefusals = 256

	// refusalLasts is for how long.
	refusalLasts = time.Minute

	// mostBlamed is how many upstreams in a row are given up for one request.
	mostBlamed = 3
)

// blame notes that an upstream has refused settings, and reports whether another may
// take them: not where the upstream had no past, nor where one like that has refused
// them before.
func (r *refusals) blame(s Settings, past bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.all[s]
	if !ok || time.Since(known.since) > refusalLasts {
		known = refusal{since: time.Now()}
	}
	if r.all == nil || len(r.all) >= mostRefusals {
		r.all = make(map[Settings]refusal)
	}
	known.fresh = known.fresh || !past
	if !known.fresh {
		known.past++
	}
	r.all[s] = known
	return !known.fresh && known.past%(mostBlamed+1) != 0
}
