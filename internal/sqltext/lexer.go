// SPDX-License-Identifier: Apache-2.0

package sqltext

import "strings"

// token is one lexical element: text[start:end].
type token struct {
	// kind is one of the letters below, or the byte itself for punctuation and
	// operators, each byte of which is a token of its own.
	kind       byte
	start, end int
}

const (
	tokenEnd     = 'e' // the end of the text
	tokenWord    = 'w' // an identifier or keyword without quotes
	tokenQuoted  = 'q' // "identifier"
	tokenUnicode = 'u' // U&"identifier", whose escapes are not read
	tokenLiteral = 'l' // a string of any form
	tokenNumber  = 'n' // digits, or a parameter such as $1
	tokenBroken  = 'b' // something that the text never closes; the end comes next
)

// lexer walks over a text. A copy looks ahead and leaves the original in place.
type lexer struct {
	text  string
	pos   int   // offset of the first byte not yet read
	flags Flags // what the tokens read so far gave away
}

// next returns the next token, past blanks and comments.
func (l *lexer) next() token {
	text, i := l.text, l.pos
	if i < len(text) && text[i] == ' ' {
		i++ // a single blank is what mostly stands here: 5 % of a scan
	}
	for i < len(text) {
		switch classes[text[i]] {
		case blank:
			i++
		case letter:
			return l.word(i)
		case digit:
			return l.number(i)
		case dollar:
			return l.dollar(i)
		case apostrophe:
			return l.literal(i, i+1)
		case doubleQuote:
			return l.quoted(tokenQuoted, i, i+1)
		case minus:
			if !startsAt(text, i+1, '-') {
				return l.take(text[i], i, i+1)
			}
			i = lineEnd(text, i+2)
		case slash:
			if !startsAt(text, i+1, '*') {
				return l.take(text[i], i, i+1)
			}
			end, closed := commentEnd(text, i+2)
			if !closed {
				return l.broken(i)
			}
			i = end
		default:
			return l.take(text[i], i, i+1)
		}
	}
	return l.take(tokenEnd, i, i)
}

// take makes a token of text[start:end] and moves past it.
func (l *lexer) take(kind byte, start, end int) token {
	l.pos = end
	return token{kind, start, end}
}

// broken makes a token of all the rest, which nothing closes.
func (l *lexer) broken(start int) token {
	l.flags |= Unterminated
	return l.take(tokenBroken, start, len(l.text))
}

// word reads an identifier or keyword, or the string whose prefix it turns out
// to be. A prefix is one only where no longer identifier can be read.
func (l *lexer) word(start int) token {
	rest, n, all := l.text[start:], 0, byte(0)
	for n < len(rest) && classes[rest[n]] <= dollar {
		all |= rest[n]
		n++
	}
	if all >= 0x80 {
		l.flags |= NonASCII
	}
	if n == 1 && len(rest) > 1 && (rest[1] == '\'' || rest[1] == '&') {
		return l.prefixed(start)
	}
	return l.take(tokenWord, start, start+n)
}

// number reads digits. What follows them in 1.5, 1e5 or 0x1F becomes further
// tokens: nobody asks for the value, and 1e'…' is a string in PostgreSQL 14.
func (l *lexer) number(start int) token {
	i := start + 1
	for i < len(l.text) && classes[l.text[i]] == digit {
		i++
	}
	return l.take(tokenNumber, start, i)
}

// startsAt reports whether the byte at offset i of the text is c.
func startsAt(text string, i int, c byte) bool {
	return i < len(text) && text[i] == c
}

// lineEnd returns the offset of the first line break at or after i.
func lineEnd(text string, i int) int {
	for i < len(text) && text[i] != '\n' && text[i] != '\r' {
		i++
	}
	return i
}

// commentEnd returns the offset after the comment whose inside begins at i.
// Comments nest.
func commentEnd(text string, i int) (end int, closed bool) {
	for depth := 1; depth > 0; {
		n := strings.IndexAny(text[i:], "*/")
		if n < 0 || i+n+1 >= len(text) {
			return len(text), false
		}
		i += n
		switch text[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			depth--
			i += 2
		default:
			i++
		}
	}
	return i, true
}
