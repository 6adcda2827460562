// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strings"
)

// PostgreSQL may say something at a login: that it could not take a default of the
// role or database, that a collation's version is another one, what a login event
// trigger says. Clients log in without PostgreSQL, so they are told what the pool's
// last login was.

// quietest are the settings of client_min_messages by which notices of each severity
// are not sent (PostgreSQL: should_output_to_client in elog.c). INFO always is.
var quietest = map[string][]string{
	"WARNING": {"error"},
	"NOTICE":  {"error", "warning"},
	"LOG":     {"error", "warning", "notice"},
	"DEBUG":   {"error", "warning", "notice", "log"},
}

// appendNotices appends what a client with these settings is told at its login.
func (p *Pool) appendNotices(b []byte, s Settings) []byte {
	list := p.notices.Load()
	if list == nil {
		return b
	}
	least, _ := s.get("client_min_messages")
	for _, n := range *list {
		if !slices.Contains(quietest[n.Severity], strings.ToLower(least)) {
			b = append(b, n.Message...)
		}
	}
	return b
}
