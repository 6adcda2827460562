// SPDX-License-Identifier: Apache-2.0

package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// configVariable names weir.toml where the flag does not.
const configVariable = "WEIR_CONFIG"

// otherVariables are WEIR_ variables that are no settings of the gateway.
var otherVariables = []string{
	configVariable,
	"WEIR_POSTGRES_BIN", // where a private PostgreSQL's programs are
	"WEIR_HTTP_URL",     // read by weir's client libraries
	"WEIR_CLIENT_SLOTS", // read by weir's client libraries
	"WEIR_TEST_PG",      // which PostgreSQL weir's tests run on
}

// serviceLink matches what Kubernetes sets for every Service; one called weir
// makes WEIR_SERVICE_HOST=10.0.0.1, WEIR_PORT=tcp://10.0.0.1:6432,
// WEIR_PORT_6432_TCP_ADDR=10.0.0.1 and more.
var serviceLink = regexp.MustCompile(`_SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?=|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=|=\w+://)`)

// readEnv takes the settings that are in the environment.
func (l *loader) readEnv() {
	for _, s := range settings {
		for _, name := range s.variables() {
			if text := l.env[name]; text != "" {
				l.take(s, text, origin{"env", name})
				break
			}
		}
	}
	l.unknownVariables()
}

// unknownVariables reports the variables that were meant for weir and are not.
func (l *loader) unknownVariables() {
	known := slices.Clone(otherVariables)
	for _, s := range settings {
		known = append(known, s.variables()...)
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		if slices.Contains(known, name) || !l.isOurs(name, known) {
			continue
		}
		from := origin{"env", name}
		if rest, found := strings.CutPrefix(name, "DATABASE_"); found && slices.Contains(known, "WEIR_"+rest) {
			l.mistakes = append(l.mistakes, Mistake{
				Where: from.String(), Problem: "no such variable", Nearest: "WEIR_" + rest,
			})
			continue
		}
		l.unknown(from, "no such variable", known)
	}
}

// isOurs reports whether a variable can only be meant for weir. The application
// may have DATABASE_ variables of its own, so there it takes a near miss; but
// DATABASE_URI and the like are common, and no near miss of DATABASE_URL.
func (l *loader) isOurs(name string, known []string) bool {
	switch {
	case strings.HasPrefix(name, "WEIR_"):
		return !serviceLink.MatchString(name + "=" + l.env[name])
	case strings.HasPrefix(name, "DATABASE_POOL_"):
		return true
	case strings.HasPrefix(name, "DATABASE_"):
		near := nearest(name, known)
		return near != "" && near != "DATABASE_URL"
	}
	return false
}
