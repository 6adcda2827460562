// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// configFlag names weir.toml.
const configFlag = "config"

// RegisterFlags adds --config and a flag for every setting. They take any text;
// [Load] says what is wrong with it, together with all other mistakes.
func RegisterFlags(fs *pflag.FlagSet) {
	fs.String(configFlag, "", "the settings `file` weir.toml (env "+configVariable+")")
	for _, s := range settings {
		usage := strings.ReplaceAll(s.help, "`", "") + " (env " + strings.Join(s.variables(), ", ") + ")"
		f := fs.VarPF(&given{text: s.preset, kind: s.kind()}, s.flag(), "", usage)
		if s.kind() == boolean().name {
			f.NoOptDefVal = "true"
		}
	}
}

// given is the text of a flag, a [pflag.Value].
type given struct {
	text string
	kind string
	set  bool
}

// Set replaces the default; a repeated flag of a list adds to it.
func (g *given) Set(text string) error {
	if g.set && g.kind == places().name {
		text = g.text + "," + text
	}
	g.text, g.set = text, true
	return nil
}

func (g *given) String() string { return g.text }

// Type returns the word that help shows for the value.
func (g *given) Type() string { return g.kind }

// readFlags takes the settings that are on the command line.
func (l *loader) readFlags(fs *pflag.FlagSet) {
	for _, s := range settings {
		if f := fs.Lookup(s.flag()); f != nil && f.Changed {
			l.take(s, f.Value.String(), origin{"flag", "--" + f.Name})
		}
	}
}

// unknownFlags reports what in args is no flag of fs, nor the value of one. Nothing
// else of an argument is shown than the name of a long flag: the rest may be a URL
// with its password.
func (l *loader) unknownFlags(fs *pflag.FlagSet, args []string) {
	var known []string
	fs.VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	for i := 0; i < len(args); i++ {
		text, long := strings.CutPrefix(args[i], "--")
		if !long || text == "" {
			l.mistakes = append(l.mistakes, Mistake{
				Where:   fmt.Sprintf("argument %d", i+1),
				Problem: "is no flag: each setting is given as --name=value, and the URL of PostgreSQL is --upstream or DATABASE_URL",
			})
			continue
		}
		name, _, hasValue := strings.Cut(text, "=")
		f := fs.Lookup(name)
		if f == nil {
			l.unknown(origin{"flag", "--" + name}, "no such flag", known)
		}
		valueFollows := f == nil && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") || f != nil && f.NoOptDefVal == ""
		if !hasValue && valueFollows {
			i++
		}
	}
}
