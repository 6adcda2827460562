// SPDX-License-Identifier: Apache-2.0

package session

import "strings"

// follow takes in that the client has changed a parameter that PostgreSQL
// reports. What PostgreSQL says is believed: a SET that is rolled back is
// reported again. After DISCARD ALL it reports what the upstream started with,
// where the client goes back to what it asked for at login.
func (x *exchange) follow(name, value string) {
	if x.up.settings == unknownSettings {
		return
	}
	if lower := strings.ToLower(name); followed[lower] {
		x.s.changeSettings(x.s.settings.with(lower, value))
		x.up.settings = x.up.settings.with(lower, value)
	}
}

// changeSettings gives the client other settings.
func (s *Session) changeSettings(to Settings) {
	s.settings = to
	s.meaning = to.meaning()
}
