// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

// covers reports whether who expects e is prepared for want, too.
func (e effect) covers(want effect) bool {
	if e.pins&unclear != 0 {
		return e.rereads // its upstream is never anybody else's
	}
	for _, name := range want.hidden {
		if !slices.Contains(e.hidden, name) {
			return false
		}
	}
	implies := func(want, e bool) bool { return e || !want }
	return want.kinds&^e.kinds == 0 && want.pins&^e.pins == 0 && want.unpins&^e.unpins == 0 &&
		implies(want.sets, e.sets) && implies(want.touches, e.touches) && implies(want.rereads, e.rereads) &&
		implies(want.into, e.into) && implies(want.notifies, e.notifies) && implies(want.signals, e.signals) &&
		len(e.resets) >= len(want.resets) && implies(e.tentative, want.tentative || want.pins == 0)
}

// escaping writes a text that is meant for standard_conforming_strings = off so
// that it says the same where that is on: its plain strings become E'…'. It is not
// ok where PostgreSQL refuses the text.
func escaping(text string) (out string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); {
		n, kind := lexeme(text[i:])
		if n < 0 {
			return "", false
		}
		if kind == 's' {
			b.WriteString(" E")
		}
		b.WriteString(text[i : i+n])
		i += n
	}
	return b.String(), true
}

// lexeme returns the length of what the text begins with, -1 where it does not end
// or is refused, and 's' where that is a plain string. It knows nothing of the
// lexer that it is compared with.
func lexeme(text string) (n int, kind byte) {
	isWord := func(c byte) bool {
		return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
	}
	find := func(from int, what string) int {
		if i := strings.Index(text[from:], what); i >= 0 {
			return from + i + len(what)
		}
		return -1
	}
	switch c := text[0]; {
	case strings.HasPrefix(text, "--"):
		if i := strings.IndexAny(text, "\r\n"); i >= 0 {
			return i, 'c'
		}
		return len(text), 'c'
	case strings.HasPrefix(text, "/*"):
		depth := 1
		for i := 2; i+1 < len(text); i++ {
			switch text[i : i+2] {
			case "/*":
				depth, i = depth+1, i+1
			case "*/":
				depth, i = depth-1, i+1
			}
			if depth == 0 {
				return i + 1, 'c'
			}
		}
		return -1, 0
	case c == '\'':
		return escapedString(text, 1), 's'
	case c == '"':
		return find(1, `"`), 'q' // two in a row are two of them
	case c == '$' && len(text) > 1 && (text[1] < '0' || text[1] > '9'):
		i := 1
		for i < len(text) && isWord(text[i]) && text[i] != '$' {
			i++
		}
		if i < len(text) && text[i] == '$' {
			return find(i+1, text[:i+1]), 'd'
		}
		return 1, 'o'
	case c|0x20 == 'e' && len(text) > 1 && text[1] == '\'':
		return escapedString(text, 2), 'e'
	case strings.ContainsRune("bBxX", rune(c)) && len(text) > 1 && text[1] == '\'':
		return find(2, "'"), 'b'
	case c|0x20 == 'n' && len(text) > 1 && text[1] == '\'':
		return 1, 'o' // a plain string follows
	case c|0x20 == 'u' && (strings.HasPrefix(text[1:], "&'") || strings.HasPrefix(text[1:], `&"`)):
		if text[2] == '"' {
			return find(3, `"`), 'u'
		}
		return -1, 0 // "unsafe use of string constant with Unicode escapes"
	case c >= '0' && c <= '9' || c == '$':
		i := 1
		for i < len(text) && text[i] >= '0' && text[i] <= '9' {
			i++
		}
		return i, 'n'
	case isWord(c):
		i := 1
		for i < len(text) && isWord(text[i]) {
			i++
		}
		return i, 'w'
	}
	return 1, 'o'
}

// escapedString returns the end of a string with escapes whose inside begins at i,
// with those that go on with it on later lines.
func escapedString(text string, i int) int {
	for i < len(text) {
		switch {
		case text[i] == '\\':
			i += 2
		case strings.HasPrefix(text[i:], "''"):
			i += 2
		case text[i] == '\'':
			i++
			rest, broken := i, false
			for rest < len(text) {
				switch {
				case text[rest] == '\n' || text[rest] == '\r':
					broken = true
					rest++
					continue
				case strings.ContainsRune(" \t\f\v", rune(text[rest])):
					rest++
					continue
				case strings.HasPrefix(text[rest:], "--"):
					if n := strings.IndexAny(text[rest:], "\r\n"); n >= 0 {
						rest += n
						continue
					}
				}
				break
			}
			if !broken || rest >= len(text) || text[rest] != '\'' {
				return i
			}
			i = rest + 1
		default:
			i++
		}
	}
	return -1
}

// revealed writes a text that is meant for SJIS in an encoding in which no byte of
// a longer character looks like ASCII. It is not ok where PostgreSQL refuses the
// text.
func revealed(text string) (out string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c < 0x80:
			b.WriteByte(c)
		case c >= 0xa1 && c <= 0xdf: // a narrow kana
			b.WriteString("\xef\xbd\xb1")
		case i+1 < len(text) && (c >= 0x81 && c <= 0x9f || c >= 0xe0 && c <= 0xfc) && (text[i+1] >= 0x40 && text[i+1] <= 0x7e || text[i+1] >= 0x80 && text[i+1] <= 0xfc):
			b.WriteString("\xe8\xa1\xa8")
			i++
		default:
			return "", false
		}
	}
	return b.String(), true
}

// FuzzOtherQuotingNeverMakesATextMoreCertain flips what may make PostgreSQL read a
// text otherwise: what weir then expects covers what it would expect of the same
// text otherwise, and all that PostgreSQL makes of it.
func FuzzOtherQuotingNeverMakesATextMoreCertain(f *testing.F) {
	for _, text := range []string{
		"select 1", "select '\\'", "select 'it\\'s'; set role bob", `select 'a' 'b\'; load ''x'; --'`, "select n'\\'; set a.b = 1; --'",
		"select e'\x95\x5c'; set work_mem = 1; --'", "select e'\\\x95\x5c'; load 'x'; --'", "select \x95\x5c, '\x95\x5c'", "$\x95\x5c$ '$\x95\x5c$",
		"select 'a'\n'b\\'; discard all; --'", "select $a$ \\' $a$, set_config('a'||'b', 'c', true)", "update t set a = 'x\\' where b",
		`select "a\"; lock t; --"`, "select set_config('a.b', '\\', true), ') --', false)", "create temp table t as select b'\\'", "begin; rollback to a",
		"do 'begin perform set_config(''a'', ''\\'', false); end'", "select currval('\\''), u&\"a\\0062\"", "/* ' */ notify a, '\\'; -- '\nlisten b",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		certain := effectOf([]byte(text), 0)
		for _, q := range []quoting{escapes, disguises, anyhow} {
			if e := effectOf([]byte(text), q); !e.covers(certain) {
				t.Errorf("%q: with %b %+v, certain %+v", text, q, e, certain)
			}
		}
		if said, ok := escaping(text); ok {
			check(t, text, said, escapes)
		}
		if said, ok := revealed(text); ok {
			check(t, text, said, disguises)
			if said, ok := escaping(said); ok {
				check(t, text, said, anyhow)
			}
		}
	})
}

// check compares what is expected of a text that PostgreSQL reads in its own way
// with what that says, unless PostgreSQL refuses it.
func check(t *testing.T, text, said string, q quoting) {
	t.Helper()
	want := effectOf([]byte(said), 0)
	if want.kinds.Has(sqltext.Unknown) {
		return
	}
	if e := effectOf([]byte(text), q); !e.covers(want) {
		t.Errorf("%q is read as %q: with %b %+v, want %+v", text, said, q, e, want)
	}
}
