// SPDX-License-Identifier: Apache-2.0

package sqltext

import "strconv"

// Target is the first argument of a call of pg_cancel_backend or
// pg_terminate_backend: the process id that it is about.
type Target struct {
	Terminate bool
	// ID is what stands there as digits, which are Start to End of the text. It is
	// 0 for another form.
	ID         uint32
	Start, End int
	// Param is n for $n, else 0.
	Param int
	// Column says that the argument is a column by the name of pid, as those of
	// pg_stat_activity and pg_locks are.
	Column bool
}

// Targets returns the targets of the calls in the text's statements, in their
// order, and whether all of these statements call them when they run and at no
// other time, as a SELECT does and a CREATE VIEW does not.
func Targets[T Text](text T) (targets []Target, now bool) {
	h := head{lexer: lexer{text: view(text)}}
	now = Scan(text).Kinds&^(1<<Select|1<<With|1<<Begin|1<<Commit|1<<Rollback|1<<Set|1<<SetLocal|1<<Show) == 0
	for h.advance(); h.tok.kind != tokenEnd; {
		if !isName(h.tok) || h.tok.kind == tokenUnicode {
			h.advance()
			continue
		}
		name, _ := h.name()
		if name != "pg_cancel_backend" && name != "pg_terminate_backend" || h.tok.kind != '(' {
			continue
		}
		h.advance()
		t := h.target()
		t.Terminate = name == "pg_terminate_backend"
		targets = append(targets, t)
	}
	return targets, now
}

// target reads the argument that begins with the token in hand.
func (h *head) target() Target {
	h.argument()
	ahead, start := *h, h.tok
	ahead.advance()
	if isName(start) {
		for ahead.tok.kind == '.' {
			ahead.advance()
			start = ahead.tok
			ahead.advance()
		}
		return Target{Column: h.is(start, "pid") && ahead.argumentEnds()}
	}
	if !ahead.argumentEnds() {
		return Target{}
	}
	from, to := start.start, start.end
	if start.kind == tokenLiteral && h.text[from] == '\'' {
		from, to = from+1, to-1
	} else if start.kind != tokenNumber {
		return Target{}
	}
	digits := h.text[from:to]
	if start.kind == tokenNumber && digits[0] == '$' {
		n, _ := strconv.Atoi(digits[1:])
		return Target{Param: n}
	}
	id, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return Target{}
	}
	return Target{ID: uint32(id), Start: from, End: to}
}

// argument moves past the name of an argument, pid => or pid :=.
func (h *head) argument() {
	ahead := *h
	if !ahead.accept("pid") || ahead.tok.kind != '=' && ahead.tok.kind != ':' {
		return
	}
	ahead.advance()
	if ahead.tok.kind != '>' && ahead.tok.kind != '=' {
		return
	}
	ahead.advance()
	*h = ahead
}

// argumentEnds reports whether the argument is over, or only its type follows.
func (h *head) argumentEnds() bool {
	if h.tok.kind == ')' || h.tok.kind == ',' {
		return true
	}
	next := h.peek()
	return h.tok.kind == ':' && next.kind == ':'
}
