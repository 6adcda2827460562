// SPDX-License-Identifier: Apache-2.0

package routine

import "strings"

// Listed is a routine as RoutinesQuery lists it.
type Listed struct {
	Version  string // another one when the routine has changed: the xmin of its row
	Name     string
	Language string
	Config   string // the settings that it runs with

	trusted, aggregate, outside bool
}

// ParseListed reads a row of RoutinesQuery, false where it is none.
func ParseListed(row string) (l Listed, ok bool) {
	f := strings.Split(row, Separator)
	if len(f) != 7 {
		return Listed{}, false
	}
	return Listed{
		Version: f[0], Name: f[1], Language: f[2], Config: f[4],
		trusted: f[3] == "t", aggregate: f[5] == "a", outside: f[6] == "t",
	}, true
}

// Readable reports whether Read reads its body.
func (l *Listed) Readable() bool { return l.Language == "sql" || l.Language == "plpgsql" }

// Code is what is known of a routine whose body is not read. An extension's functions in
// C are trusted, but for those by whose name PostgreSQL's documentation says what they
// keep.
func (l *Listed) Code() Code {
	switch {
	case l.trusted && (l.Language == "c" || l.Language == "internal"):
		code := Trusted(l.Name)
		if l.outside {
			code.Leaves |= Outside
		}
		return code
	case l.aggregate:
		return Code{} // what it is made of is among its callers
	}
	return Read(l.Language, "")
}
