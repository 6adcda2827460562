// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strconv"
	"strings"
)

// Share is a part of something: a percentage of it, or a count. The zero value is
// as little as there can be, see Of.
type Share struct {
	Percent int // from 1 to 100; 0: Count says
	Count   int
}

// Of returns how many of whole the share is: rounded up, at least 1, at most whole.
func (s Share) Of(whole int) int {
	n := s.Count
	if s.Percent > 0 {
		n = (whole*s.Percent + 99) / 100
	}
	return max(min(n, whole), 1)
}

// String returns the share as one writes it: 50%, or 5.
func (s Share) String() string {
	if s.Percent > 0 {
		return strconv.Itoa(s.Percent) + "%"
	}
	return strconv.Itoa(s.Count)
}

// share is a percentage from 1 to 100, or a count of at least 1.
func share() kind[Share] {
	return kind[Share]{
		name:     "share",
		expected: "a whole number of at least 1, or a percentage from 1% to 100%",
		parse: func(text string) (Share, bool) {
			digits, percent := strings.CutSuffix(text, "%")
			n, err := strconv.Atoi(strings.TrimSpace(digits))
			if percent {
				return Share{Percent: n}, err == nil && n >= 1 && n <= 100
			}
			return Share{Count: n}, err == nil && n >= 1
		},
		show: Share.String,
	}
}
