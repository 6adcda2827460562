// SPDX-License-Identifier: Apache-2.0

package routine

import "github.com/weir-pg/weir/internal/sqltext"

// SelectsInto reports whether a text has an INTO that is not an INSERT's or a MERGE's:
// SELECT … INTO makes a table. It may do so behind these words, too, as in SELECT 1
// INSERT INTO t, where they are names of columns; so an INTO is theirs only where no
// SELECT is in front of it, in the same statement and parentheses.
func SelectsInto(list []sqltext.Element) bool {
	selects := []bool{false} // for each of the parentheses that are open
	for i, e := range list {
		last := len(selects) - 1
		switch {
		case e.Byte == '(':
			selects = append(selects, false)
		case e.Byte == ')' && last > 0:
			selects = selects[:last]
		case e.Byte == ';':
			selects[last] = false
		case e.Quoted:
		case e.Name == "select":
			selects[last] = true
		case e.Name == "into":
			if selects[last] || i == 0 || list[i-1].Quoted || list[i-1].Name != "insert" && list[i-1].Name != "merge" {
				return true
			}
		}
	}
	return false
}
