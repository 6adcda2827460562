// SPDX-License-Identifier: Apache-2.0

package state_test

import "strings"

// tolerated are differences that an audit finds today, by a part of their text, and
// what each waits for. The list is to be empty.
var tolerated = map[string]string{
	"lastval() is": "weir's own stays at an upstream have to count as a user of its sequences",
}

// isTolerated reports whether a line of the log tells of one of them.
func isTolerated(line string) bool {
	for part := range tolerated {
		if strings.Contains(line, part) {
			return true
		}
	}
	return false
}
