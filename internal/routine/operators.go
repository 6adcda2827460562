// SPDX-License-Identifier: Apache-2.0

package routine

import "strings"

// symbols are the characters of operators (PostgreSQL: scan.l, op_chars).
const symbols = "~!@#^&|`?+-*/%<>="

// longestRun bounds the characters in a row of which every part is looked up.
const longestRun = 16

// Operators returns what in a text could be the names of operators: every part of
// characters in a row of which operators are made, wherever they stand. Where there
// are too many, it returns [Any].
func Operators(text string) (names []string) {
	seen := make(map[string]bool)
	for i := 0; i < len(text); i++ {
		end := i
		for end < len(text) && strings.IndexByte(symbols, text[end]) >= 0 {
			end++
		}
		if end-i > longestRun && strings.Trim(text[i:end], "-=*") != "" {
			return append(names, Any)
		}
		for ; i < end; i++ {
			for j := i + 1; j <= min(end, i+longestRun); j++ {
				if name := text[i:j]; !seen[name] {
					seen[name] = true
					names = append(names, name)
				}
			}
		}
	}
	return names
}
