// SPDX-License-Identifier: Apache-2.0

package sqltext

import "strings"

// Databases returns the databases that PostgreSQL wants nobody else to be
// connected to while it runs the text, and those that come into being, go or
// change their name by it: the template and the new one of CREATE DATABASE, that
// of DROP DATABASE, that of ALTER DATABASE … SET TABLESPACE, and both of
// ALTER DATABASE … RENAME TO (gram.y, CreatedbStmt and what follows it). Names
// that are written in a way that this package does not read are left out.
func Databases[T Text](text T) (names []string) {
	all := view(text)
	for at := 0; ; {
		s, following, ok := next(all, at)
		if !ok {
			return names
		}
		h := head{lexer: lexer{text: all[:s.End], pos: s.Start}}
		names = append(names, h.databases(s)...)
		at = following
	}
}

// databases is Databases for one statement, which the head has yet to read.
func (h *head) databases(s Statement) []string {
	if s.Kind == CreateDatabase {
		return []string{h.template(), s.Name}
	}
	if s.Kind == DropDatabase {
		return []string{s.Name}
	}
	if s.Kind == AlterDatabase {
		return h.altered(s.Name)
	}
	return nil
}

// defaultTemplate is what a database is copied from of which nothing is said.
const defaultTemplate = "template1"

// template reads CREATE DATABASE from its beginning and returns its template.
func (h *head) template() string {
	for range 4 {
		h.advance() // CREATE, DATABASE, the name: it may be any word
	}
	for !h.ended() {
		if !h.accept("template") {
			h.advance()
			continue
		}
		if h.tok.kind == '=' {
			h.advance()
		}
		if name, ok := h.value(); ok {
			return name
		}
	}
	return defaultTemplate
}

// value reads the value of an option: a name, a string, or DEFAULT, which is
// none.
func (h *head) value() (string, bool) {
	if h.at("default") {
		return "", false
	}
	if t := h.tok; t.kind == tokenLiteral {
		quoted := h.text[t.start:t.end]
		if quoted[0] != '\'' {
			return "", false
		}
		return strings.ReplaceAll(quoted[1:len(quoted)-1], "''", "'"), true
	}
	return h.name()
}

// altered reads ALTER DATABASE from its beginning and returns the names that
// count if it moves the database to another tablespace, or renames it.
func (h *head) altered(from string) []string {
	for range 4 {
		h.advance() // ALTER, DATABASE, the name: it may be any word
	}
	if h.acceptAll([]string{"set", "tablespace"}) {
		return []string{from}
	}
	if !h.acceptAll([]string{"rename", "to"}) {
		return nil
	}
	if to, ok := h.name(); ok {
		return []string{from, to}
	}
	return []string{from}
}
