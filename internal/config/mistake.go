// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
)

// Mistakes is everything that is wrong with the settings, as [Load] returns it.
type Mistakes []Mistake

// Error returns a heading and one line for each mistake.
func (m Mistakes) Error() string {
	var b strings.Builder
	if len(m) == 1 {
		b.WriteString("1 mistake in the settings:")
	} else {
		fmt.Fprintf(&b, "%d mistakes in the settings:", len(m))
	}
	for _, one := range m {
		b.WriteString("\n  " + one.String())
	}
	return b.String()
}

// Mistake is one thing that is wrong.
type Mistake struct {
	Where   string // "flag --pool-max", "env DATABASE_POOL_MAX" or "weir.toml:12"; "" if nothing is there
	Name    string // the setting, where Where does not name it
	Value   string // as given, secrets masked; "" if the mistake is not in a value
	Problem string // what was expected, and what to do
	Nearest string // the name that was probably meant, or ""
}

// String returns the mistake as one line.
func (m Mistake) String() string {
	var b strings.Builder
	for _, part := range []string{m.Where, m.Name} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	line := b.String()
	if m.Value != "" {
		line = fmt.Sprintf("%s = %q: ", strings.TrimSuffix(line, ": "), m.Value)
	}
	line += m.Problem
	if m.Nearest != "" {
		line += "; did you mean " + m.Nearest + "?"
	}
	return line
}

// nearest returns the known name that is most like name: the one it is the end
// of, else the one that the fewest typing errors make of it, at most two.
func nearest(name string, known []string) string {
	most := 2
	if len(name) < 5 {
		most = 1
	}
	best := ""
	for _, candidate := range known {
		if strings.HasSuffix(candidate, "."+name) || strings.HasSuffix(candidate, "-"+strings.TrimLeft(name, "-")) {
			return candidate
		}
		if d := distance(name, candidate); d <= most {
			best, most = candidate, d-1
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to get from a to b (optimal string alignment).
func distance(a, b string) int {
	var before, above []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
