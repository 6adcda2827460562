// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"sync"
	"time"
	"unique"

	"github.com/weir-pg/weir/internal/sqlstate"
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
	mostRefusals = 256         // settings that are remembered
	refusalLasts = time.Minute // how long each of them is remembered
	mostBlamed   = 3           // upstreams that are given up in a row for one request
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

// madeUpIn returns the setting with a dot in its name that a message of PostgreSQL's is
// about, "" where there is none.
func (s Settings) madeUpIn(message string) (name string) {
	for own := range s.each {
		if strings.Contains(own, ".") && len(own) > len(name) && strings.Contains(strings.ToLower(message), own) {
			name = own
		}
	}
	return name
}

// forgoes takes the setting that an error is about out of a client's, which has set it
// where its library was not loaded. PostgreSQL does so where it loads the library, with
// a WARNING (guc.c: define_custom_variable, MarkGUCPrefixReserved).
func (s *Session) forgoes(err *sqlstate.Error) bool {
	name := s.settings.madeUpIn(err.Message)
	rest, had := s.settings.without(name)
	if had == nil {
		return false
	}
	s.changeSettings(rest)
	s.start, _ = s.start.without(name)
	warning := *err
	warning.Severity = "WARNING"
	s.x.notes = append(s.x.notes, &warning)
	for _, p := range s.named {
		if p.alone {
			continue
		}
		there, _ := Settings{unique.Make(p.meaning)}.without(name)
		st := s.x.intern([]byte(p.Text), []byte(p.OIDs), there.meaning(), p.quoting)
		s.env.dictionary.release(p.statement)
		p.statement = st
	}
	return true
}
