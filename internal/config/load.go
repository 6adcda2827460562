// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Source is where settings are read from.
type Source struct {
	// Flags have been registered with [RegisterFlags] and parsed. nil: none.
	Flags *pflag.FlagSet
	// Args is what Flags parsed. With it, flags that Flags does not know, and
	// was told to let pass, are mistakes like any other.
	Args []string
	// Environ is the environment in the form of [os.Environ]. An empty variable
	// counts as not set.
	Environ []string
	// File is the path of weir.toml. "": the one that --config or WEIR_CONFIG
	// names, if any.
	File string
	// Place is whom the settings are for. Zero: Served.
	Place Place
	// Now is when certificates must be valid. Zero: now.
	Now time.Time
}

// Load reads and checks all settings. The error is [Mistakes]. It opens no
// connection, but reads weir.toml, certificates and what libpq reads too: PG*
// variables of the process, the password file and the service file.
func Load(s Source) (*Config, error) {
	l := &loader{
		Config: Default(),
		env:    variables(s.Environ),
		now:    s.Now,
		bad:    map[string]bool{},
		place:  s.Place,
	}
	if l.now.IsZero() {
		l.now = time.Now()
	}
	path, from := l.path(s)
	l.Config.file = path
	l.readFile(path, from)
	l.readEnv()
	if s.Flags != nil {
		l.readFlags(s.Flags)
		l.unknownFlags(s.Flags, s.Args)
	}
	l.check()
	if len(l.mistakes) > 0 {
		return nil, l.mistakes
	}
	return l.Config, nil
}

// loader is one Load under way.
type loader struct {
	*Config
	env      map[string]string
	now      time.Time
	place    Place
	file     string // base name of the file being read
	mistakes Mistakes
	bad      map[string]bool // keys with a mistake; what follows from their values is not checked
}

// path returns weir.toml's path and what named it; "" if there is none.
func (l *loader) path(s Source) (string, origin) {
	if s.File != "" {
		return s.File, origin{}
	}
	if s.Flags != nil {
		if f := s.Flags.Lookup(configFlag); f != nil && f.Changed {
			return f.Value.String(), origin{"flag", "--" + configFlag}
		}
	}
	return l.env[configVariable], origin{"env", configVariable}
}

// take reads text into the setting s.
func (l *loader) take(s setting[Config], text string, from origin) {
	set, ok := s.read(text)
	if !ok {
		l.wrong(s.key, from, s.mask(text), "expected "+s.expected())
		return
	}
	set(l.Config)
	l.origins[s.key] = from
}

// wrong notes a mistake in the value of the setting called key.
func (l *loader) wrong(key string, from origin, value, problem string) {
	l.bad[key] = true
	l.mistakes = append(l.mistakes, Mistake{
		Where: from.where(key), Name: from.inFile(), Value: value, Problem: problem,
	})
}

// unknown notes a name that is no setting.
func (l *loader) unknown(from origin, problem string, known []string) {
	l.mistakes = append(l.mistakes, Mistake{
		Where: from.where(""), Name: from.inFile(), Problem: problem, Nearest: nearest(from.name, known),
	})
}

// variables maps the names of an environment to their values, without the empty ones.
func variables(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); value != "" {
			m[name] = value
		}
	}
	return m
}
