// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// table is a Markdown table; the first columns are words, the others numbers.
type table struct {
	words int // columns that are left-aligned
	head  []string
	rows  [][]string
}

// write prints the table with its columns padded, so that it also reads well
// as plain text.
func (t table) write(w io.Writer) error {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)), 4)
		}
	}
	rule := make([]string, len(t.head))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", width)
		if i >= t.words {
			rule[i] = rule[i][1:] + ":"
		}
	}
	for _, row := range append([][]string{t.head, rule}, t.rows...) {
		if _, err := fmt.Fprintf(w, "| %s |\n", strings.Join(t.pad(row, widths), " | ")); err != nil {
			return err
		}
	}
	return nil
}

func (t table) pad(row []string, widths []int) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		blank := strings.Repeat(" ", widths[i]-len([]rune(cell)))
		if out[i] = cell + blank; i >= t.words {
			out[i] = blank + cell
		}
	}
	return out
}

// tabulate shows one figure of a section: a line per case, a column per
// contender that has the figure, and the paired ratio of weir to its rival.
func tabulate(s section, f figure) table {
	names := slices.DeleteFunc(s.contenders(), func(name string) bool { return !s.measured(name, f) })
	rival := s.rival(names)
	modes := s.cases()[0].Mode != ""

	t := table{words: 0, head: slices.Concat([]string{"Clients"}, names)}
	if modes {
		t.words, t.head = 1, slices.Insert(t.head, 0, "Mode")
	}
	if rival != "" {
		t.head = append(t.head, "weir ÷ "+rival)
	}
	for _, c := range s.cases() {
		var cells []string
		if modes {
			cells = append(cells, c.Mode)
		}
		cells = append(cells, whole(float64(c.Clients)))
		for _, name := range names {
			cells = append(cells, s.cell(c, name, f))
		}
		if rival != "" {
			cells = append(cells, s.ratio(c, f, rival))
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

// hasNumbers tells whether any contender has a column.
func (t table) hasNumbers() bool { return len(t.head) > t.words+1 }

// measured tells whether the contender has the figure in any case.
func (s section) measured(name string, f figure) bool {
	return slices.ContainsFunc(s.Rows, func(r row) bool {
		return r.Contender == name && (r.failed() || len(f.values(r.Samples)) > 0)
	})
}

// cell is the median of a figure, what that adds to PostgreSQL alone if the
// figure asks for it, and whether rounds failed.
func (s section) cell(c scenario, name string, f figure) string {
	row := s.row(c, name)
	values := f.values(row.Samples)
	if len(values) == 0 && row.failed() {
		return "failed"
	}
	if len(values) == 0 {
		return "–"
	}
	text := f.show(median(values))
	if added := f.paired(row.Samples, s.row(c, "PostgreSQL").Samples, minus); f.added && name != "PostgreSQL" && len(added) > 0 {
		text += " (" + signed(median(added), f.show) + ")"
	}
	if row.failed() {
		text += " (some rounds failed)"
	}
	return text
}

// rival is whom weir is compared with, "" where either takes no part.
func (s section) rival(names []string) string {
	for _, name := range []string{"PgBouncer", "pgxpool"} {
		if slices.Contains(names, "weir") && slices.Contains(names, name) {
			return name
		}
	}
	return ""
}

// ratio is the median of the rounds' ratios of weir to its rival.
func (s section) ratio(c scenario, f figure, rival string) string {
	values := f.paired(s.row(c, "weir").Samples, s.row(c, rival).Samples, over)
	if len(values) == 0 {
		return "–"
	}
	return times(median(values))
}

// failed tells whether any round went wrong.
func (r row) failed() bool {
	return slices.ContainsFunc(r.Samples, func(s sample) bool { return s.Err != "" })
}

// signed shows a difference with its sign.
func signed(v float64, show func(float64) string) string {
	if v < 0 {
		return "−" + show(-v)
	}
	return "+" + show(v)
}
