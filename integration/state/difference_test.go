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
	params    []map[string]string // with which the clients start
	got, want []string            // the answers to the last step
	trace     []step              // all that was done, the last step included
}

func (w *world) differ(got, want []string, what string) *difference {
	d := &difference{what: what, pool: w.pool, got: got, want: want, trace: slices.Clone(w.trace)}
	for _, c := range w.clients {
		d.params = append(d.params, c.params)
	}
	return d
}

// String tells the difference with all that led to it.
func (d *difference) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s after this, which -script=FILE runs again:\npool of %d\n", d.what, d.pool)
	for i, params := range d.params {
		fmt.Fprintf(&b, "client %d:", i)
		for _, name := range sorted(params) {
			fmt.Fprintf(&b, " %s=%s", name, strings.ReplaceAll(params[name], " ", "+"))
		}
		b.WriteString("\n")
	}
	for _, s := range d.trace {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	for i := range max(len(d.got), len(d.want)) {
		switch g, w := at(d.got, i), at(d.want, i); {
		case g == w && len(d.want) > manyLines:
		case g == w:
			fmt.Fprintf(&b, "  # both     %s\n", g)
		default:
			fmt.Fprintf(&b, "  # weir     %s\n  # directly %s\n", g, w)
		}
	}
	return b.String()
}

// manyLines is an answer of which only what differs is shown.
const manyLines = 30

func at(lines []string, i int) string {
	if i >= len(lines) {
		return "(nothing)"
	}
	return strings.ReplaceAll(lines[i][:min(len(lines[i]), 1000)], "\n", `\n`)
}

func describe(heard []notification) (lines []string) {
	for _, n := range heard {
		lines = append(lines, fmt.Sprintf("client %d on %s: %s", n.Sender, n.Channel, n.Payload))
	}
	return lines
}
