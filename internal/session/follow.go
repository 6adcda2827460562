// SPDX-License-Identifier: Apache-2.0

package session

import "strings"

// follow takes in that the client has changed a parameter that PostgreSQL
// reports. What PostgreSQL says is believed: a SET that is rolled back is
// reported again. before is the value until now.
func (x *exchange) follow(name, value, before string) {
	lower := strings.ToLower(name)
	if !followed[lower] || x.up.settings == unknownSettings {
		return
	}
	if x.reported == nil {
		x.reported = make(map[string]string)
	}
	if _, ok := x.reported[name]; !ok {
		x.reported[name] = before
	}
	x.s.changeSettings(x.s.settings.with(lower, value))
	x.up.settings = x.up.settings.with(lower, value)
}

// settle, at the end of a transaction, takes back what it had changed for itself:
// SET LOCAL, and what was rolled back. The settings are then those from before,
// rather than the same values said once more.
func (x *exchange) settle() {
	if len(x.reported) > 0 && x.isBack() {
		x.s.changeSettings(x.settled)
		x.up.settings = x.settled
	}
	x.settled, x.sets = x.s.settings, false
	clear(x.reported)
}

// isBack reports whether what PostgreSQL reports is what it was before the
// transaction, and nothing was set for longer.
func (x *exchange) isBack() bool {
	if x.sets {
		return false
	}
	for name, before := range x.reported {
		if x.up.Params[name] != before {
			return false
		}
	}
	return true
}

// changeSettings gives the client other settings.
func (s *Session) changeSettings(to Settings) {
	s.settings = to
	s.meaning = to.meaning()
}
