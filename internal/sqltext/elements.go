// SPDX-License-Identifier: Apache-2.0

package sqltext

import "strings"

// Element is one lexical element of a text: a name, a string, a number, or a byte
// of anything else.
type Element struct {
	// Name is an identifier or keyword as PostgreSQL keeps it: in lower case, or as
	// quoted. It is "" for every other element.
	Name   string
	Quoted bool
	// Value is what a string stands for where Known says that it is certain: it has
	// no escapes.
	Value  string
	String bool
	Known  bool
	// Byte is that of punctuation or an operator, else 0.
	Byte byte
}

// Elements returns the elements of a text, without blanks and comments; strings that
// PostgreSQL joins are one (documentation, 4.1.2.1). It is not
// ok where they cannot be told for certain: the text is not terminated, has a
// U&"…", a name as [Words] has none, or a backslash in front of a quote that may or
// may not escape it.
func Elements[T Text](text T) (list []Element, ok bool) {
	h := head{lexer: lexer{text: view(text)}}
	ok = true
	end := 0 // of the last string, if nothing has come since
	for h.advance(); h.tok.kind != tokenEnd; h.advance() {
		t := h.tok
		switch t.kind {
		case tokenWord, tokenQuoted:
			ahead := h
			name, _ := ahead.name()
			ok = ok && !h.cutAnywhere(t)
			list = append(list, Element{Name: name, Quoted: t.kind == tokenQuoted})
		case tokenLiteral:
			e := Element{String: true}
			e.Value, e.Known = h.literalValue(t)
			text := h.text[t.start:t.end]
			if e.Known = e.Known && (text[0] == '$' || strings.IndexByte(text, '\\') < 0); !e.Known {
				ok = ok && !mayEscape(text)
			}
			gap := h.text[end:t.start]
			if end > 0 && text[0] == '\'' && strings.ContainsAny(gap, "\r\n") {
				last := &list[len(list)-1]
				last.Value, last.Known = last.Value+e.Value, last.Known && e.Known
				ok = ok && !strings.Contains(gap, "/*") // which keeps them apart
			} else {
				list = append(list, e)
			}
			if end = t.end; text[0] == '$' {
				end = 0
			}
			continue
		case tokenNumber:
			list = append(list, Element{Byte: '0'})
		case tokenUnicode, tokenBroken:
			ok = false
		default:
			list = append(list, Element{Byte: t.kind})
		}
		end = 0
	}
	return list, ok && h.flags&Unterminated == 0
}

// mayEscape reports whether a plain string has a backslash in front of a quote,
// with which it would end elsewhere if backslashes were escapes.
func mayEscape(literal string) bool {
	if literal[0]|0x20 == 'e' {
		return false // they are
	}
	for i := 0; i+1 < len(literal); i++ {
		if literal[i] == '\\' {
			if i++; literal[i] == '\'' {
				return true
			}
		}
	}
	return false
}

// BareName returns the name as PostgreSQL keeps it, without its schema.
func BareName(name string) string {
	list, ok := Elements(name)
	for i, e := range list {
		ok = ok && (e.Name != "") == (i%2 == 0) && (e.Name != "" || e.Byte == '.')
	}
	if last := len(list) - 1; ok && last%2 == 0 {
		return list[last].Name
	}
	name = name[strings.LastIndexByte(name, '.')+1:]
	if bare, quoted := strings.CutPrefix(name, `"`); quoted {
		return strings.TrimSuffix(bare, `"`)
	}
	return strings.ToLower(name)
}
