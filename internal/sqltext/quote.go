// SPDX-License-Identifier: Apache-2.0

package sqltext

import "strings"

// prefixed reads the string or identifier after a prefix of one letter, or that
// letter as a word of its own where it is no prefix.
func (l *lexer) prefixed(start int) token {
	text, mark := l.text, start+1
	switch prefix := text[start] | 0x20; {
	case prefix == 'u' && text[mark] == '&' && startsAt(text, mark+1, '\''):
		return l.literal(start, mark+2)
	case prefix == 'u' && text[mark] == '&' && startsAt(text, mark+1, '"'):
		l.flags |= Escaped
		return l.quoted(tokenUnicode, start, mark+2)
	case text[mark] == '&':
	case prefix == 'e':
		return l.escaped(start, mark+1)
	case prefix == 'n', prefix == 'b', prefix == 'x':
		return l.literal(start, mark+1)
	}
	return l.take(tokenWord, start, mark)
}

// literal reads a string whose inside begins at body and in which a backslash is
// an ordinary character.
func (l *lexer) literal(start, body int) token {
	end, closed := quoteEnd(l.text, body, '\'')
	if strings.IndexByte(l.text[body:end], '\\') >= 0 {
		l.flags |= Backslash
	}
	if !closed {
		return l.broken(start)
	}
	return l.take(tokenLiteral, start, end)
}

// quoted reads a quoted identifier whose inside begins at body.
func (l *lexer) quoted(kind byte, start, body int) token {
	end, closed := quoteEnd(l.text, body, '"')
	if !closed {
		return l.broken(start)
	}
	return l.take(kind, start, end)
}

// quoteEnd returns the offset after the quote that closes what begins at i. Two
// quotes in a row stand for one inside.
func quoteEnd(text string, i int, quote byte) (end int, closed bool) {
	for {
		n := strings.IndexByte(text[i:], quote)
		if n < 0 {
			return len(text), false
		}
		i += n + 1
		if !startsAt(text, i, quote) {
			return i, true
		}
		i++
	}
}

// escaped reads the E'…' whose inside begins at i. A backslash takes the next
// byte with it. After the closing quote, a further '…' on a later line goes on
// with the same string, so backslashes are escapes there too.
func (l *lexer) escaped(start, i int) token {
	text := l.text
	for i < len(text) {
		switch c := text[i]; {
		case c == '\\':
			if i+1 < len(text) && text[i+1] >= 0x80 {
				l.flags |= NonASCII // the byte after that may be a backslash to weir alone
			}
			i += 2
		case c == '\'' && startsAt(text, i+1, '\''):
			i += 2
		case c == '\'':
			more := continuation(text, i+1)
			if more < 0 {
				return l.take(tokenLiteral, start, i+1)
			}
			i = more
		default:
			if c >= 0x80 {
				l.flags |= NonASCII
			}
			i++
		}
	}
	return l.broken(start)
}

// continuation returns the offset of the inside of the string that continues the
// one closed before i, or -1 (scan.l, quotecontinue): between the two are only
// blanks and -- comments, with at least one line break.
func continuation(text string, i int) int {
	broken := false
	for i < len(text) {
		switch c := text[i]; {
		case c == '\n' || c == '\r':
			broken = true
			i++
		case classes[c] == blank:
			i++
		case c == '-' && startsAt(text, i+1, '-'):
			i = lineEnd(text, i+2)
		case c == '\'' && broken:
			return i + 1
		default:
			return -1
		}
	}
	return -1
}

// dollar reads $tag$…$tag$, a parameter such as $1, or a lone dollar sign.
func (l *lexer) dollar(start int) token {
	text, i := l.text, start+1
	if i < len(text) && classes[text[i]] == digit {
		return l.number(start)
	}
	all := byte(0)
	for i < len(text) && classes[text[i]] <= digit {
		all |= text[i]
		i++
	}
	if !startsAt(text, i, '$') {
		return l.take('$', start, start+1)
	}
	if all >= 0x80 {
		l.flags |= NonASCII
	}
	body, tag := i+1, text[start:i+1]
	n := strings.Index(text[body:], tag)
	if n < 0 {
		return l.broken(start)
	}
	return l.take(tokenLiteral, start, body+n+len(tag))
}
