// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"slices"
	"testing"
	"time"
)

// shrinking bounds the search for a shorter script.
const shrinking = 40 * time.Second

// search looks for the shortest script that shows a difference.
type search struct {
	*testing.T
	*ground
	script   invented
	best     *difference
	deadline time.Time
}

// shrink returns the shortest difference that is found by leaving out steps:
// those of a client, then halves and ever smaller parts of the script.
func (s invented) shrink(t *testing.T, g *ground, d *difference) *difference {
	t.Helper()
	look := search{t, g, s, d, time.Now().Add(shrinking)}
	for i := range s.params {
		look.try(slices.DeleteFunc(slices.Clone(look.best.trace), func(s step) bool { return s.who == i }))
	}
	for size := len(look.best.trace) / 2; size > 0; size /= 2 {
		for at := 0; at < len(look.best.trace); {
			steps := look.best.trace
			if !look.try(slices.Concat(steps[:at], steps[min(at+size, len(steps)):])) {
				at += size
			}
		}
	}
	return look.best
}

// try reports whether these steps show the difference too.
func (s *search) try(steps []step) bool {
	if time.Now().After(s.deadline) {
		return false
	}
	s.script.steps = steps
	d := s.script.play(s.T, s.ground)
	if d == nil || d.what != s.best.what {
		return false
	}
	s.best = d
	return true
}
