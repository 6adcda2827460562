// SPDX-License-Identifier: Apache-2.0

package sqltext

import (
	"bytes"
	"strings"
)

// AppendWithoutComments appends text to b with nothing left of its comments but
// that they are there. It returns false where there is none, or where the text
// cannot be read with certainty.
//
// Two texts of which this makes the same mean the same to PostgreSQL: it reads
// nothing in a comment, but for the line break that ends one. A comment with a hint
// of pg_hint_plan (/*+ … */), or for weir (/* weir: … */), stays as it is. A
// backslash may be an escape and a dollar sign may begin a string, so that a text
// with one is left alone; no byte of a longer character, in any encoding that
// PostgreSQL has, looks like a quote or a comment's beginning.
func AppendWithoutComments(b, text []byte) ([]byte, bool) {
	if !mayComment(text) || uncertain(text) {
		return b, false
	}
	out, whole := b, string(text)
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\'' || c == '"':
			n := bytes.IndexByte(text[i+1:], c)
			if n < 0 {
				return b, false
			}
			out = append(out, text[i:i+n+2]...)
			i += n + 2 // a doubled quote begins the next string
		case c == '-' && i+1 < len(text) && text[i+1] == '-':
			out = append(out, "--"...)
			i += 2
			for i < len(text) && text[i] != '\n' && text[i] != '\r' {
				i++
			}
		case c == '/' && i+1 < len(text) && text[i+1] == '*':
			end, closed := commentEnd(whole, i+2)
			if !closed {
				return b, false
			}
			out = appendComment(out, text[i:end])
			i = end
		default:
			out = append(out, c)
			i++
		}
	}
	return out, true
}

// mayComment reports whether a comment may begin somewhere in the text.
func mayComment(text []byte) bool {
	return bytes.Contains(text, blockComment) || bytes.Contains(text, lineComment)
}

var (
	blockComment = []byte("/*")
	lineComment  = []byte("--")
)

// uncertain reports whether a quote in the text may not end where it seems to.
func uncertain(text []byte) bool {
	if bytes.IndexByte(text, '\\') >= 0 {
		return true
	}
	for i, c := range text {
		if c == '$' && (i+1 == len(text) || text[i+1] < '0' || text[i+1] > '9') {
			return true
		}
	}
	return false
}

// appendComment appends what counts of a comment between /* and */.
func appendComment(b, comment []byte) []byte {
	inside := comment[len("/*") : len(comment)-len("*/")]
	if len(inside) > 0 && inside[0] == '+' || strings.HasPrefix(strings.TrimSpace(string(inside)), "weir:") {
		return append(b, comment...)
	}
	return append(b, "/**/"...)
}
