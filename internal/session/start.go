// SPDX-License-Identifier: Apache-2.0

package session

import (
	"maps"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/auth"
)

// StartSettings returns what a start-up packet asks for, by names in lower case.
// The error is that of the login.
func StartSettings(login *auth.Login) (map[string]string, error) {
	settings, err := startSettings(login)
	if err != nil {
		return nil, err
	}
	return settings.values(), nil
}

// Identity returns the names of the settings that say who the session is.
func Identity() []string { return identity[:] }

// asLogin returns the SQL that makes a session the login's whose connection starts as
// somebody else, and "" where it starts as the login: only that may set what clients
// have asked for at login (PostgreSQL: process_startup_options).
func (p *Pool) asLogin() string {
	login := p.startsAsAnother()
	if login == "" {
		return ""
	}
	return "SELECT pg_catalog.set_config('session_authorization'," + quoteValue(login) + ",false);SET ROLE NONE;"
}

// startsAsAnother returns the login whose connections start as somebody else, "" where
// they start as the login.
func (p *Pool) startsAsAnother() (login string) {
	if len(p.start) == 0 || !settingsOf(p.start).identifies() {
		return ""
	}
	return p.target().User()
}

// beyondStart returns those of a client's settings that its upstreams do not
// start with.
func (p *Pool) beyondStart(s Settings) Settings {
	for name := range p.start {
		s, _ = s.without(name)
	}
	return s
}

// titleOf is what messages and figures call the database of a pool: what clients
// do, and what its connections start with, so that no two pools look alike.
func titleOf(o PoolOptions) string {
	if len(o.Start) == 0 {
		return o.Database
	}
	var settings []string
	for _, name := range slices.Sorted(maps.Keys(o.Start)) {
		settings = append(settings, name+"="+o.Start[name])
	}
	return o.Database + " (" + strings.Join(settings, ", ") + ")"
}
