// SPDX-License-Identifier: Apache-2.0

package session

import (
	"maps"
	"slices"
	"strings"
	"unique"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// Settings is the run-time parameters that a client has set, or that an
// upstream has been given, beyond those the upstream started with. Equal
// settings are equal values, so comparing them is comparing two words. The
// zero value is not valid: noSettings is the empty one.
type Settings struct {
	encoded unique.Handle[string]
}

var noSettings = Settings{unique.Make("")}

// settingsOf returns m as Settings. Names are in lower case.
func settingsOf(m map[string]string) Settings {
	if len(m) == 0 {
		return noSettings
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b.WriteString(name)
		b.WriteByte(0)
		b.WriteString(m[name])
		b.WriteByte(0)
	}
	return Settings{unique.Make(b.String())}
}

// values returns the settings by name; the map is the caller's.
func (s Settings) values() map[string]string {
	m := make(map[string]string)
	parts := strings.Split(s.encoded.Value(), "\x00")
	for i := 0; i+1 < len(parts); i += 2 {
		m[parts[i]] = parts[i+1]
	}
	return m
}

// with returns s with one setting changed.
func (s Settings) with(name, value string) Settings {
	m := s.values()
	m[strings.ToLower(name)] = value
	return settingsOf(m)
}

// without returns s without one setting, and that, nil where s does not have it.
func (s Settings) without(name string) (Settings, *string) {
	m := s.values()
	value, ok := m[name]
	if !ok {
		return s, nil
	}
	delete(m, name)
	return settingsOf(m), &value
}

// meaning returns those settings that change what the text of a statement
// means, as part of the key of a shared statement (PostgreSQL: a plan is
// analysed again under another search_path, but its result types may differ).
func (s Settings) meaning() string {
	if s == noSettings {
		return ""
	}
	var b strings.Builder
	m := s.values()
	for _, name := range [...]string{"client_encoding", "default_text_search_config", "role", "search_path", "standard_conforming_strings"} {
		if v, ok := m[name]; ok {
			b.WriteString(name + "\x00" + v + "\x00")
		}
	}
	return b.String()
}

// followed are the parameters that PostgreSQL reports with ParameterStatus and
// that a client may set for its session, by their names in lower case.
var followed = map[string]bool{
	"application_name":              true,
	"client_encoding":               true,
	"datestyle":                     true,
	"default_transaction_read_only": true,
	"intervalstyle":                 true,
	"search_path":                   true,
	"standard_conforming_strings":   true,
	"timezone":                      true,
}

// startSettings returns the settings in a client's start-up packet: its own
// parameters and, overridden by them, those in options.
func startSettings(login *auth.Login) (Settings, error) {
	// Without one a client has no name, rather than weir's own.
	m := map[string]string{"application_name": ""}
	for _, p := range login.Params {
		if p.Name != "options" {
			continue
		}
		list, err := wire.ParseOptions(p.Value)
		if err != nil {
			// As PostgreSQL says it (process_postgres_switches).
			return noSettings, &sqlstate.Error{Severity: sqlstate.SeverityFatal, Code: sqlstate.SyntaxError, Message: err.Error()}
		}
		for _, o := range list {
			m[strings.ToLower(o.Name)] = o.Value
		}
	}
	for _, p := range login.Params {
		if name := strings.ToLower(p.Name); name != "options" && name != "replication" {
			m[name] = p.Value
		}
	}
	return settingsOf(m), nil
}

// change returns the SQL that gives an upstream with the settings from the
// settings to, empty where nothing differs. A value goes through set_config, which
// reads it as a start-up packet's is read: a search_path stays a list.
func change(from, to Settings) string {
	if from == to {
		return ""
	}
	var b strings.Builder
	if from == unknownSettings {
		b.WriteString("RESET ALL;")
	}
	have, want := from.values(), to.values()
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok && name != "" { // "": see unknownSettings
			b.WriteString("RESET " + quoteName(name) + ";")
		}
	}
	sep := "SELECT "
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if v, ok := have[name]; !ok || v != want[name] {
			b.WriteString(sep + "pg_catalog.set_config(" + quoteValue(name) + "," + quoteValue(want[name]) + ",false)")
			sep = ","
		}
	}
	return b.String()
}

// quoteName quotes a parameter's name; a custom one is two names with a dot.
func quoteName(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		parts[i] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
	}
	return strings.Join(parts, ".")
}

// quoteValue quotes a string so that standard_conforming_strings does not
// matter.
func quoteValue(v string) string {
	return " E'" + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(v) + "'"
}
