// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/integration/wiretest"
)

// shrinking bounds the search for a shorter script.
const shrinking = 150 * time.Second

// search looks for the shortest script that shows a difference.
type search struct {
	*testing.T
	*ground
	best     *difference
	deadline time.Time
}

// shrink leaves out writes, messages and cuts as long as there is a difference.
func (s script) shrink(t *testing.T, g *ground, d *difference) *difference {
	t.Helper()
	look := search{t, g, d, time.Now().Add(shrinking)}
	for more := true; more; {
		before := look.best
		look.writes()
		look.messages()
		more = look.best != before && time.Now().Before(look.deadline)
	}
	return look.best
}

// writes leaves out whole writes, and how they are cut.
func (s *search) writes() {
	for i := 0; i < len(s.best.script.writes); {
		if !s.try(slices.Delete(slices.Clone(s.best.script.writes), i, i+1)) {
			i++
		}
	}
	for i := range s.best.script.writes {
		s.change(i, func(w *write) { w.pieces = nil })
		s.change(i, func(w *write) { w.hold = false })
	}
}

// messages leaves out ever smaller parts of each write.
func (s *search) messages() {
	for i := 0; i < len(s.best.script.writes); i++ {
		for size := len(s.best.script.writes[i].messages); size > 0; size /= 2 {
			for at := 0; i < len(s.best.script.writes) && at < len(s.best.script.writes[i].messages); {
				end := min(at+size, len(s.best.script.writes[i].messages))
				if !s.change(i, func(w *write) { w.messages = slices.Delete(slices.Clone(w.messages), at, end) }) {
					at += size
				}
			}
		}
	}
}

// change tries the script with one write changed. Any difference counts, but what
// leaves a copy open for PostgreSQL to end the connection over is another script.
func (s *search) change(i int, edit func(*write)) bool {
	if i >= len(s.best.script.writes) {
		return false
	}
	writes := slices.Clone(s.best.script.writes)
	edit(&writes[i])
	for _, w := range writes {
		if !closed(w.messages) {
			return false
		}
	}
	return s.try(writes)
}

// closed reports whether a write ends a group that it begins, and has the end of
// each copy that it may begin.
func closed(messages []pgproto3.FrontendMessage) bool {
	if len(messages) == 0 {
		return true
	}
	for _, m := range slices.Backward(messages) {
		switch m.(type) {
		case *pgproto3.Sync, *pgproto3.Query:
			return true
		default:
			return false
		}
	}
	return true
}

func (s *search) try(writes []write) bool {
	if time.Now().After(s.deadline) {
		return false
	}
	d := script{writes}.play(s.T, s.ground)
	if d == nil || slices.Contains(d.want, wiretest.Silence) {
		return false
	}
	s.best = d
	return true
}
