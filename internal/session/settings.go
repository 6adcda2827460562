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

// get returns the value of one setting.
func (s Settings) get(name string) (value string, ok bool) {
	for n, v := range s.each {
		if n == name {
			return v, true
		}
	}
	return "", false
}

// each yields the settings in the order of their names.
func (s Settings) each(yield func(name, value string) bool) {
	for n, v, rest, more := cutSetting(s.encoded.Value()); more; n, v, rest, more = cutSetting(rest) {
		if !yield(n, v) {
			return
		}
	}
}

// cutSetting takes the first setting off an encoded list.
func cutSetting(list string) (name, value, rest string, ok bool) {
	name, rest, ok = strings.Cut(list, "\x00")
	value, rest, _ = strings.Cut(rest, "\x00")
	return name, value, rest, ok
}

// difference walks along two encoded lists.
type difference struct{ from, to string }

// next returns a setting that differs: its value where it is wanted, or that it
// is not wanted any more.
func (d *difference) next() (name, value string, wanted, ok bool) {
	for {
		had, before, restFrom, has := cutSetting(d.from)
		name, value, restTo, wants := cutSetting(d.to)
		switch {
		case !has && !wants:
			return "", "", false, false
		case !wants || has && had < name:
			d.from = restFrom
			return had, "", false, true
		case !has || name < had:
			d.to = restTo
			return name, value, true, true
		}
		d.from, d.to = restFrom, restTo
		if before != value {
			return name, value, true, true
		}
	}
}

// hasAny reports whether s has one of the settings.
func (s Settings) hasAny(names []string) bool {
	for name := range s.each {
		if slices.Contains(names, name) {
			return true
		}
	}
	return false
}

// identity are the settings that say who the session is, in the order in which
// they are set: the first ends the second.
var identity = [...]string{"session_authorization", "role"}

// identifies reports whether s says who the session is.
func (s Settings) identifies() bool {
	for _, name := range identity {
		if _, ok := s.get(name); ok {
			return true
		}
	}
	return false
}

// anonymous returns s without what says who the session is, and that.
func (s Settings) anonymous() (rest Settings, who map[string]string) {
	rest, who = s, make(map[string]string)
	for _, name := range identity {
		var value *string
		if rest, value = rest.without(name); value != nil {
			who[name] = *value
		}
	}
	return rest, who
}

// isASCII reports whether a string means the same in every encoding.
func isASCII[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
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
	if seed, ok := m[seedSetting]; ok {
		if err := checkSeed(seed); err != nil {
			return noSettings, err
		}
		delete(m, seedSetting)
	}
	return settingsOf(m), nil
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
	return " E'" + doubled.Replace(v) + "'"
}

// doubled doubles what ends a string in quotes, or means something in it.
var doubled = strings.NewReplacer(`'`, `''`, `\`, `\\`)
