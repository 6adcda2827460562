// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"
)

// TestDeclaredFunctionsAreKnownByTheirNames goes by the names that PostgreSQL keeps:
// in lower case or as quoted, and cut.
func TestDeclaredFunctionsAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("t", 70)
	e := Env{dictionary: NewDictionary()}
	e.Declare([]string{"app.Take", `app."G.ive"`, long, `"` + long + `x"`, "nähme", strings.Repeat("ä", 33)}, []string{"app.keep", `"K""eep"`})
	for text, want := range map[string]reasons{
		"select take()":                            opaque,
		"select app.TAKE()":                        opaque,
		`select "Take"()`:                          0,
		`select app."G.ive"()`:                     opaque,
		"select ive()":                             0,
		"select " + long + "()":                    opaque,
		"select " + long[:63] + "()":               opaque,
		"select " + long[:62] + "()":               0,
		`select keep(), "G.ive"()`:                 opaque | functions,
		`select "K""eep"()`:                        functions,
		"select nähme()":                           opaque,
		"select NÄHME()":                           opaque, // folded where a letter has one byte
		"select nehme()":                           0,
		"select n\xe4hme()":                        opaque,             // in LATIN1
		"select g\xe4be()":                         opaque,             // nobody knows
		"select " + strings.Repeat("ä", 40) + "()": opaque,             // it may be any that is as long
		"select " + strings.Repeat("ö", 20) + "()": 0,                  // it is another
		"select " + long[:63] + "ä()":              opaque,             // cut, it is one
		"select " + strings.Repeat("x", 90) + "()": 0,                  // it is another
		"select keep(), n\xe4hme()":                functions | opaque, // both
	} {
		if got := e.dictionary.declared.effectOf([]byte(text), 0).pins; got != want {
			t.Errorf("%q pins for %v, want %v", text, got, want)
		}
	}
}
