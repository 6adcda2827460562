// SPDX-License-Identifier: Apache-2.0

package sqltext

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescaped returns what stands between the quotes of a U&"…" with its escapes read
// (parser.c: str_udeescape). It is not ok where one stands for a letter outside ASCII,
// which depends on the server's encoding, or is none.
func unescaped(s string) (string, bool) {
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(s, `\`)
		b.WriteString(plain)
		if !found {
			return b.String(), true
		}
		if after, ok := strings.CutPrefix(rest, `\`); ok {
			b.WriteByte('\\')
			s = after
			continue
		}
		digits := 4
		if after, ok := strings.CutPrefix(rest, "+"); ok {
			rest, digits = after, 6
		}
		if len(rest) < digits {
			return "", false
		}
		c, err := strconv.ParseUint(rest[:digits], 16, 32)
		if err != nil || c == 0 || c >= utf8.RuneSelf {
			return "", false
		}
		b.WriteByte(byte(c))
		s = rest[digits:]
	}
}
