// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
)

// writePaired compares two builds of weir, a line per case and figure: what a
// commit that claims to be faster should quote.
func writePaired(w io.Writer, found results) error {
	for _, v := range views {
		s, ok := found[v.name]
		if !ok {
			continue
		}
		for _, f := range v.figures {
			for _, c := range s.cases() {
				if err := s.writePair(w, c, f); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// writePair prints a line such as "Transactions per second, prepared, 20
// clients: 83,700 → 88,200, 1.05× (1.03× to 1.07× in 6 rounds)", or nothing
// where the figure was not measured.
func (s section) writePair(w io.Writer, c scenario, f figure) error {
	before, after := s.row(c, "reference").Samples, s.row(c, "weir").Samples
	ratios := f.paired(after, before, over)
	if len(ratios) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s, %s: %s → %s, %s (%s to %s in %s)\n",
		f.title, c, f.show(median(f.values(before))), f.show(median(f.values(after))),
		times(median(ratios)), times(slices.Min(ratios)), times(slices.Max(ratios)), plural(len(ratios), "round"))
	return err
}
