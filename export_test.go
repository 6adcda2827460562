// SPDX-License-Identifier: Apache-2.0

package weir

import "time"

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
