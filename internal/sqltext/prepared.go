// SPDX-License-Identifier: Apache-2.0

package sqltext

import "strings"

// Mention is that a text makes, runs or removes a prepared statement.
type Mention struct {
	Kind Kind // Prepare, Execute or Deallocate
	Name string
}

// Mentions returns the prepared statements that a text names, in the order in which
// it does. EXECUTE may stand inside EXPLAIN and CREATE TABLE AS (gram.y,
// ExplainableStmt and CreateTableAsStmt's like); where the name there is written in a
// way that this package does not read, it is "", which is nobody's. The names do not
// alias the text.
func Mentions[T Text](text T) (list []Mention) {
	all := view(text)
	for at := 0; ; {
		s, following, ok := next(all, at)
		if !ok {
			return list
		}
		switch s.Kind {
		case Prepare, Execute, Deallocate:
			list = append(list, Mention{s.Kind, strings.Clone(s.Name)})
		case Explain, ExplainAnalyze, DDL, CreateTemp:
			h := head{lexer: lexer{text: all[:s.End], pos: s.Start}}
			if name, ok := h.executed(s.Kind); ok {
				list = append(list, Mention{Execute, strings.Clone(name)})
			}
		default: // names none
		}
		at = following
	}
}

// executed finds EXECUTE inside a statement of that kind and returns what it names.
func (h *head) executed(kind Kind) (string, bool) {
	h.advance()
	for prev := (token{}); !h.ended(); {
		found := h.at("execute") && h.executes(prev, kind)
		prev = h.tok
		h.advance()
		if found {
			name, ok := h.name()
			if !ok {
				name = ""
			}
			return name, true
		}
	}
	return "", false
}
