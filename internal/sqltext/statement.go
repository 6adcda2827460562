// SPDX-License-Identifier: Apache-2.0

package sqltext

import (
	"strings"
	"unsafe"
)

// Text is what statements are read from. It is never changed and not kept.
type Text interface{ ~string | ~[]byte }

// Statement is one statement of a text.
type Statement struct {
	Kind Kind
	// Name is what the statement is about, as its Kind says, and "" for the kinds
	// that say nothing. It may alias the text: a caller that changes or reuses the
	// text clones it first.
	Name string
	// Start and End are the statement's bytes in the text: from after the blanks
	// that follow the previous semicolon, comments included, up to its own
	// semicolon or the end of the text.
	Start, End int
}

// Summary is what one pass over a text finds.
type Summary struct {
	// Count is the number of statements, empty ones not counted: that many
	// CommandComplete messages a simple query gets if none fails. It is 0 for a
	// text that is answered with EmptyQueryResponse.
	Count int
	// Kinds holds the kind of each statement. It has Empty if there is none, and
	// Unknown if the text is not terminated.
	Kinds Kinds
	Flags Flags
}

// First returns the first statement of the text that is not empty. Its Kind is
// Empty if there is none. It does not see what a later part of the text would
// refute, such as a string that is never closed: Scan does.
func First[T Text](text T) Statement {
	s, _, ok := next(view(text), 0)
	if !ok {
		s.Kind = Empty
	}
	return s
}

// Next returns the first statement at or after the offset that is not empty, and
// the offset for the call after this one. It is not ok if there is none. The
// first offset is 0; others come from the call before.
func Next[T Text](text T, offset int) (s Statement, following int, ok bool) {
	return next(view(text), offset)
}

// Scan reads the whole text.
func Scan[T Text](text T) Summary {
	l := lexer{text: view(text)}
	var sum Summary
	for {
		t := l.next()
		if t.kind == tokenEnd {
			break
		}
		if t.kind == ';' {
			continue
		}
		kind, _ := classify(l, t)
		l.skip(kind, t)
		sum.Count++
		sum.Kinds |= 1 << kind
	}
	sum.Flags = l.flags
	if sum.Count == 0 {
		sum.Kinds = 1 << Empty
	}
	if sum.Flags&Unterminated != 0 {
		sum.Kinds |= 1 << Unknown
	}
	return sum
}

// view returns the text as a string without copying it. The header of a string is
// the beginning of the header of a slice.
func view[T Text](text T) string { return *(*string)(unsafe.Pointer(&text)) }

// next is Next on a string.
func next(text string, offset int) (Statement, int, bool) {
	l := lexer{text: text, pos: offset}
	start := offset
	for {
		t := l.next()
		if t.kind == tokenEnd {
			return Statement{Start: t.start, End: t.end}, t.end, false
		}
		if t.kind == ';' {
			start = t.end
			continue
		}
		for classes[text[start]] == blank {
			start++
		}
		kind, name := classify(l, t)
		end := len(text)
		// Most texts have one statement and no semicolon: no need to look for its end.
		if strings.IndexByte(text[l.pos:], ';') >= 0 {
			end = l.skip(kind, t)
		}
		return Statement{kind, name, start, end}, min(end+1, len(text)), true
	}
}

// skip moves past the statement of that kind which begins with t, and past its
// semicolon. It returns the offset of the semicolon, or of the end of the text.
//
// A semicolon in parentheses does not end a statement: CREATE RULE has such. Nor
// does one between BEGIN ATOMIC and END in the body of a routine.
func (l *lexer) skip(kind Kind, t token) int {
	depth, atomic, prev := 0, false, token{}
	for {
		switch t.kind {
		case tokenWord:
			if watched[l.text[t.start]] && t.end-t.start >= len("temp") {
				l.flags |= l.watch(t, prev, kind)
			}
			if kind != CreateRoutine || depth > 0 {
				break
			}
			if !atomic && l.is(t, "atomic") && l.is(prev, "begin") {
				atomic, t.kind = true, ';' // as after a statement: END may follow
			} else if atomic && l.is(t, "end") && prev.kind == ';' {
				atomic = false // every other END is that of a CASE, or a name
			}
		case tokenQuoted:
			l.flags |= mention(l.text[t.start+1:t.end-1], kind)
		case '(':
			depth++
		case ')':
			depth = max(depth-1, 0)
		case ';':
			if depth == 0 && !atomic {
				return t.start
			}
		case tokenEnd:
			if depth > 0 || atomic {
				l.flags |= Unterminated
			}
			return t.start
		}
		prev, t = t, l.next()
	}
}
