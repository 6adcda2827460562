// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"slices"
	"testing"
	"time"
)

// shrinking bounds the search for a shorter script.
const shrinking = 40 * time.Second

// shrink returns the shortest difference that is found by leaving out steps:
// halves, then ever smaller parts of the script.
func (s invented) shrink(t *testing.T, g *ground, d *difference) *difference {
	t.Helper()
	deadline := time.Now().Add(shrinking)
	best := d
	steps := d.trace
	for size := len(steps) / 2; size > 0; size /= 2 {
		for at := 0; at < len(steps); {
			if time.Now().After(deadline) {
				return best
			}
			shorter := s
			shorter.steps = slices.Concat(steps[:at], steps[min(at+size, len(steps)):])
			if d := shorter.play(t, g); d != nil && d.what == best.what {
				best, steps = d, d.trace
			} else {
				at += size
			}
		}
	}
	return best
}
