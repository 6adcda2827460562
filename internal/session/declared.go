// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/weir-pg/weir/internal/sqltext"
)

// declared are functions whose bodies change what a session holds, which no text
// shows, with what that is: opaque where PostgreSQL can be asked, functions where
// it cannot. They are known by their names without schema, since a search_path may
// lead to them.
type declared map[string]reasons

// Declare names functions, with or without their schemas: after a transaction that
// mentions one of asked, PostgreSQL is asked for settings and for what pins; one
// of pinning pins. It comes before the first client.
func (e *Env) Declare(asked, pinning []string) {
	d := make(declared)
	for _, name := range asked {
		d[sqltext.BareName(name)] |= opaque
	}
	for _, name := range pinning {
		d[sqltext.BareName(name)] |= functions
	}
	e.dictionary.declared = d
}

// effectOf is the function of that name, with what the declared functions do.
func (d declared) effectOf(text []byte, r quoting) effect {
	e := effectOf(text, r)
	if len(d) == 0 || bytes.IndexByte(text, '(') < 0 {
		return e
	}
	words, ok := sqltext.Words(text)
	for _, word := range words {
		e.pins |= d[word]
		if !isASCII(word) {
			// In a database with one byte to a letter PostgreSQL folds all of them
			// (scansup.c: downcase_identifier).
			e.pins |= d[strings.ToLower(word)]
			ok = ok && utf8.ValidString(word)
		}
	}
	if !ok {
		for name := range d {
			// A word that is too long, or is not UTF-8, may be any of these.
			if !isASCII(name) || len(name) > sqltext.LongestName-utf8.UTFMax {
				e.pins |= d[name]
			}
		}
	}
	if e.pins&opaque != 0 {
		e.sets, e.touches, e.unpins, e.rereads, e.anybody, e.reverts = true, true, provable, true, true, true
	}
	return e
}
