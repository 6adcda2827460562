// SPDX-License-Identifier: Apache-2.0

package sqltext

import "strings"

// Assignment is one call of set_config.
type Assignment struct {
	// Name is the setting, in lower case, where its name is written out: the
	// argument is one literal and nothing else. Known says so.
	Name  string
	Known bool
	// Computed: the name is neither that nor a parameter alone, and does not begin
	// with a literal that has a dot: it may be any, or any that takes a number where
	// the value is one literal.
	Computed bool
	// Local: the value is for the transaction only, which is written out too.
	Local bool
}

// Assignments returns the calls of set_config in the text's statements, in their
// order. Arguments may be given in a text that builds them in any way, so a name
// that is a part of an expression, a parameter or a string with escapes is not
// known.
func Assignments[T Text](text T) (calls []Assignment) {
	h := head{lexer: lexer{text: view(text)}}
	for h.advance(); h.tok.kind != tokenEnd; {
		if h.tok.kind != tokenWord && h.tok.kind != tokenQuoted {
			h.advance()
			continue
		}
		if name, _ := h.name(); name == "set_config" && h.tok.kind == '(' {
			h.advance()
			calls = append(calls, h.setConfig())
		}
	}
	return calls
}

// setConfig reads the arguments of a call, from after its parenthesis. The head
// stays where they begin: calls may be nested.
func (h *head) setConfig() (c Assignment) {
	ahead := *h
	words := false // the value is written out, and no number
	for i := 0; ; i++ {
		arg, more := ahead.callArgument()
		switch {
		case i == 1 && arg.name == "" || arg.name == "new_value":
			words = arg.isLiteral && strings.Trim(strings.ToLower(arg.literal), " \t\n\v\f\r+-.0123456789abcdefxpinty") != ""
		case i == 0 && arg.name == "" || arg.name == "setting_name":
			c.Name, c.Known, c.Computed = arg.literal, arg.isLiteral, arg.isComputed
			if arg.isName && !more {
				return Assignment{}
			}
			if arg.isName {
				c.Name, c.Known = ahead.nameOfView()
				c.Computed = !c.Known
			}
		case i == 2 && arg.name == "" || arg.name == "is_local":
			c.Local = arg.isTrue
		}
		if !more {
			c.Name, c.Computed = folded(c.Name), c.Computed && !words
			return c
		}
	}
}

// callArgument is one argument of a call, as far as it is read.
type callArgument struct {
	name      string // setting_name => …
	literal   string
	isLiteral bool // it is one literal
	isTrue    bool // it is one of the ways to write true
	isName    bool // it is the column name

	isComputed bool // see Assignment
}

// callArgument reads one argument of a call, and its comma; more says that there
// was one.
func (h *head) callArgument() (arg callArgument, more bool) {
	if h.tok.kind == tokenWord {
		ahead := *h
		name, _ := ahead.name()
		if ahead.arrow() {
			arg.name, *h = name, ahead
		}
	}
	first, count := h.tok, 0
	boolean := false
	for depth := 0; h.tok.kind != tokenEnd && h.tok.kind != tokenBroken; count++ {
		switch h.tok.kind {
		case '(', '[':
			depth++
		case ')', ']', ',':
			if depth == 0 {
				arg.read(h, first, count, boolean)
				more = h.tok.kind == ','
				h.advance()
				return arg, more
			}
			if h.tok.kind != ',' {
				depth--
			}
		}
		boolean = count == 3 && (h.at("boolean") || h.at("bool"))
		h.advance()
	}
	return callArgument{name: arg.name}, false
}

// arrow moves past => or :=.
func (h *head) arrow() bool {
	ahead := *h
	first := ahead.tok.kind
	ahead.advance()
	if first != '=' && first != ':' || ahead.tok.kind != '>' && first == '=' || ahead.tok.kind != '=' && first == ':' {
		return false
	}
	ahead.advance()
	*h = ahead
	return true
}

// read takes in an argument of so many tokens, of which the first is given.
// boolean says that a cast to boolean ends it.
func (arg *callArgument) read(h *head, first token, count int, boolean bool) {
	arg.isComputed = arg.computed(h, first, count)
	if count != 1 && (count != 4 || !boolean) {
		return
	}
	if first.kind == tokenLiteral {
		arg.literal, arg.isLiteral = h.literalValue(first)
	}
	switch strings.ToLower(arg.literal) {
	case "true", "t", "on", "1":
		arg.isTrue = arg.isLiteral
	}
	arg.isTrue = arg.isTrue || h.is(first, "true")
	arg.isLiteral = arg.isLiteral && count == 1
	arg.isName = count == 1 && h.is(first, "name")
}

// computed is isComputed of an argument. A cast leaves a parameter what it is.
func (arg *callArgument) computed(h *head, first token, count int) bool {
	switch first.kind {
	case tokenLiteral:
		value, ok := h.literalValue(first)
		return count > 1 && (!ok || strings.IndexByte(value, '.') < 0)
	case tokenNumber:
		return count != 1 && count != 4
	}
	return true
}

// literalValue returns what a string stands for, where it has no escapes.
func (h *head) literalValue(t token) (value string, ok bool) {
	text := h.text[t.start:t.end]
	if text[0] == '$' {
		tag := strings.IndexByte(text[1:], '$') + 2
		return text[tag : len(text)-tag], true
	}
	quote := strings.IndexByte(text, '\'')
	switch folded(text[:quote]) {
	case "", "e", "u&":
	default:
		return "", false // bits, or one of another type
	}
	inside := text[quote+1 : len(text)-1]
	if quote > 0 && (strings.IndexByte(inside, '\\') >= 0 || strings.IndexByte(inside, '\n') >= 0) {
		return "", false // escapes, or two strings in one
	}
	return strings.ReplaceAll(inside, "''", "'"), true
}

// nameOfView reads on after the first argument, the column name, of a call whose
// query takes it from a view where it equals a literal: so pg_dump sets what older
// servers do not have. Whatever the view is, that is its value.
func (h *head) nameOfView() (string, bool) {
	ahead := *h
	for depth := 0; depth >= 0; ahead.advance() {
		switch ahead.tok.kind {
		case '(':
			depth++
		case ')':
			depth--
		case tokenEnd, ';':
			return "", false
		}
	}
	if !ahead.accept("from") {
		return "", false
	}
	if ahead.accept("pg_catalog") {
		if ahead.tok.kind != '.' {
			return "", false
		}
		ahead.advance()
	}
	if !ahead.accept("pg_settings") || !ahead.accept("where") || !ahead.accept("name") || ahead.tok.kind != '=' {
		return "", false
	}
	ahead.advance()
	if ahead.tok.kind != tokenLiteral {
		return "", false
	}
	name, ok := ahead.literalValue(ahead.tok)
	ahead.advance()
	return name, ok && ahead.ended()
}
