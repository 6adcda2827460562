// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"fmt"
	"slices"
	"strings"
)

// difference is what weir answered otherwise than PostgreSQL.
type difference struct {
	what      string
	pool      int
	got, want []string // the answers to the last step
	trace     []step   // all that was done, the last step included
}

func (w *world) differ(got, want []string, what string) *difference {
	return &difference{what, w.pool, got, want, slices.Clone(w.trace)}
}

// String tells the difference with all that led to it.
func (d *difference) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pool of %d: %s after\n", d.pool, d.what)
	for _, s := range d.trace {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	for i := range max(len(d.got), len(d.want)) {
		if g, w := at(d.got, i), at(d.want, i); g == w {
			fmt.Fprintf(&b, "  both     %s\n", g)
		} else {
			fmt.Fprintf(&b, "  weir     %s\n  directly %s\n", g, w)
		}
	}
	return b.String()
}

func at(lines []string, i int) string {
	if i >= len(lines) {
		return "(nothing)"
	}
	return lines[i][:min(len(lines[i]), 1000)]
}

func describe(heard []notification) (lines []string) {
	for _, n := range heard {
		lines = append(lines, fmt.Sprintf("client %d on %s: %s", n.Sender, n.Channel, n.Payload))
	}
	return lines
}
