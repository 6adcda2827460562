// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// writeSetup says below the tables with what they were measured, why cells
// are empty, and how to do it again.
func (s section) writeSetup(w io.Writer) error {
	u := s.Setup
	var b strings.Builder
	for _, reason := range s.reasons() {
		fmt.Fprintf(&b, "%s.\n\n", reason)
	}
	fmt.Fprintf(&b, "Measured on %s: %s, median of %s", u.Date, u.Machine, plural(u.Rounds, "round"))
	if u.Seconds > 0 {
		fmt.Fprintf(&b, " of %s", plural(u.Seconds, "second"))
	}
	fmt.Fprintf(&b, ", pools of %s.", plural(u.Pool, "connection"))
	for _, name := range slices.Sorted(maps.Keys(u.Versions)) {
		fmt.Fprintf(&b, " %s: %s.", name, u.Versions[name])
	}
	fmt.Fprintf(&b, "\n\n```\n%s\n```\n\n", strings.Join(u.Commands, "\n"))
	_, err := io.WriteString(w, b.String())
	return err
}

// reasons says why contenders were not measured in some cases, each once.
func (s section) reasons() []string {
	var out []string
	for _, r := range s.Rows {
		if r.Lacks != "" && !slices.Contains(out, r.Lacks) {
			out = append(out, r.Lacks)
		}
	}
	return out
}
