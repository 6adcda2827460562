// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"
)

// takeLeaf takes one value of the file.
func (l *loader) takeLeaf(one leaf) {
	from := l.at(one.line, one.path)
	switch one.path[0] {
	case "databases":
		l.takeDatabase(one, from)
	case "users":
		l.takeUser(one, from)
	default:
		s, found := row(settings, from.name)
		if !found {
			l.noSuch(from, keys(settings))
		} else if set, ok := read(l, s, one, from); ok {
			set(l.Config)
		}
	}
}

// takeDatabase takes a value under [databases].
func (l *loader) takeDatabase(one leaf, from origin) {
	if !l.named(one, from) {
		return
	}
	i := slices.IndexFunc(l.Databases, func(d Database) bool { return d.Name == one.path[1] })
	if i < 0 {
		i = len(l.Databases)
		l.Databases = append(l.Databases, Database{Name: one.path[1]})
	}
	d := &l.Databases[i]
	takeInner(l, databaseSettings, d, &d.pool, one, from)
}

// takeUser takes a value under [users].
func (l *loader) takeUser(one leaf, from origin) {
	if !l.named(one, from) {
		return
	}
	i := slices.IndexFunc(l.Users, func(u User) bool { return u.Name == one.path[1] })
	if i < 0 {
		i = len(l.Users)
		l.Users = append(l.Users, User{Name: one.path[1]})
	}
	u := &l.Users[i]
	takeInner(l, userSettings, u, &u.pool, one, from)
}

// named reports whether a value is, or is in, the table of one database or
// user, and notes where that begins.
func (l *loader) named(one leaf, from origin) bool {
	_, table := one.value.(map[string]any)
	if len(one.path) == 1 {
		if !table {
			l.wrong(from.name, from, "", "expected tables, ["+from.name+".NAME]")
		}
		return false
	}
	if len(one.path) == 2 && !table {
		l.wrong(from.name, from, "", "expected a table, ["+from.name+"]")
		return false
	}
	owner := dotted(one.path[:2])
	if _, noted := l.origins[owner]; !noted {
		l.origins[owner] = l.at(one.owner, one.path[:2])
	}
	return true
}

// takeInner takes a value of a database or user, whose own settings are rows.
func takeInner[C any](l *loader, rows []setting[C], owner *C, pool *overrides, one leaf, from origin) {
	key := dotted(one.path[2:])
	if key == "" {
		return // an empty table
	}
	if s, found := row(rows, key); found {
		if set, ok := read(l, s, one, from); ok {
			set(owner)
		}
		return
	}
	if s, found := row(poolSettings(), key); found {
		if set, ok := read(l, s, one, from); ok {
			*pool = append(*pool, override{s, set})
		}
		return
	}
	known := append(keys(rows), keys(poolSettings())...)
	for i := range known {
		known[i] = dotted(one.path[:2]) + "." + known[i]
	}
	l.noSuch(from, known)
}

// read returns what sets s to the value of a leaf, or notes a mistake.
func read[C any](l *loader, s setting[C], one leaf, from origin) (func(*C), bool) {
	text, ok := textOf(one.value, s.kind() == places().name)
	set, valid := s.read(text)
	if !ok || !valid {
		l.wrong(from.name, from, s.mask(text), "expected "+s.expected())
		return nil, false
	}
	l.origins[from.name] = from
	return set, true
}

// textOf returns a TOML value as a variable would have it; false if it has no
// such form.
func textOf(value any, list bool) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case int64, bool:
		return fmt.Sprint(value), true
	case float64:
		return fmt.Sprint(value), false
	case []any:
		texts := make([]string, len(value))
		for i, item := range value {
			text, isText := item.(string)
			texts[i], list = text, list && isText
		}
		return strings.Join(texts, ","), list
	}
	return "", false
}

// noSuch notes a key that is no setting, or is the table of some.
func (l *loader) noSuch(from origin, known []string) {
	for _, key := range known {
		if strings.HasPrefix(key, from.name+".") {
			l.wrong(from.name, from, "", "expected a table, ["+from.name+"]")
			return
		}
	}
	l.unknown(from, "no such setting", known)
}

// row returns the setting with that key.
func row[C any](rows []setting[C], key string) (setting[C], bool) {
	for _, s := range rows {
		if s.key == key {
			return s, true
		}
	}
	return setting[C]{}, false
}

func keys[C any](rows []setting[C]) []string {
	list := make([]string, len(rows))
	for i, s := range rows {
		list[i] = s.key
	}
	return list
}
