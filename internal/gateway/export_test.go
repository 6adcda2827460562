// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"github.com/weir-pg/weir/internal/loop"
)

// Share is what a role's budget remembers between readings.
type Share = share

// Reading is how a role stands.
type Reading = reading

// NewReading makes a reading.
func NewReading(limit, others, ours, idle int, wanted bool) Reading {
	return reading{limit: limit, others: others, ours: ours, idle: idle, wanted: wanted}
}

// Next is share.next.
func (s *share) Next(r Reading, now time.Time) int { return s.next(r, now) }

// Strangers is share.strangers.
func (s *share) Strangers(sessions, ours []uint32, joining int) int {
	return s.strangers(sessions, ours, joining)
}

// Stall has all loops do nothing else until release.
func (g *Gateway) Stall() (release func()) {
	over := make(chan struct{})
	for i := range g.loops.Len() {
		g.loops.Loop(i).Post(loop.Func(func() { <-over }))
	}
	return func() { close(over) }
}

// Farewell is how long clients that ask nothing have to leave when there is no time.
const Farewell = farewell
