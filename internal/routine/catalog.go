// SPDX-License-Identifier: Apache-2.0

package routine

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Catalog is what a database's own routines leave behind, and what calls them, by
// the names with which a statement may mention either. It does not change once it
// is made; the zero value, and nil, is that of a database with none.
type Catalog struct {
	names map[string]Effect
	// outside has the names of what leaves nothing, and does what no rollback undoes.
	outside map[string]bool

	all Effect // what anything in it leaves: for code that is given names
	any Effect // what every statement may leave: casts have no names
	ddl Effect // what every statement may leave that defines something: event triggers
	// foreign: some names have characters beyond ASCII, which are other bytes in
	// another encoding.
	foreign bool
}

// Empty reports whether no statement has to be looked at.
func (c *Catalog) Empty() bool {
	return c == nil || len(c.names) == 0 && c.any.quiet() && c.ddl.quiet()
}

// Lookup returns what a statement with these words may leave behind. defines says
// that it defines something, native that names are to the server the bytes that they are here.
func (c *Catalog) Lookup(words []string, defines, native bool) Effect {
	if c == nil {
		return Effect{}
	}
	e := c.anyway(defines)
	for _, word := range words {
		if word == Any {
			e = e.With(c.all)
		}
		if found, ok := c.names[word]; ok {
			e = e.With(found)
		}
		if c.foreign && !native && !isASCII(word) {
			e = e.With(c.all)
		}
	}
	e = c.fired(e)
	e.Leaves &^= Outside
	return e
}

// fired returns an effect with what event triggers leave, where something that is called
// may define anything (PostgreSQL: ProcessUtilitySlow), and with the rest of Resolved.
func (c *Catalog) fired(e Effect) Effect {
	if e = c.Resolved(e); e.Leaves&(Defines|Unknowable|Executes) != 0 {
		e = c.Resolved(e.With(c.ddl))
	}
	return e
}

// anyway is what a statement may leave behind whatever its words are.
func (c *Catalog) anyway(defines bool) Effect {
	if defines {
		return c.any.With(c.ddl)
	}
	return c.any
}

// ActsOutside reports whether a statement with these words may do what no rollback
// undoes; see Lookup. Of a database of which nothing is known, it may.
func (c *Catalog) ActsOutside(words []string, defines, native bool) bool {
	if c == nil {
		return true
	}
	e := c.anyway(defines)
	for _, word := range words {
		if word == Any {
			e = e.With(c.all)
		}
		if c.outside[word] || !native && !isASCII(word) {
			return true
		}
		e = e.With(c.names[word])
	}
	return c.fired(e).Leaves&Outside != 0
}

// Resolved returns an effect with all that relations leave whose names are not
// known.
func (c *Catalog) Resolved(e Effect) Effect {
	if c != nil && e.Leaves&Anything != 0 {
		e = e.With(c.all)
	}
	return e
}

// Everything is the catalog of a database of which too much would have to be read,
// or nothing is known: every statement may leave all that can be asked for.
func Everything() *Catalog {
	return &Catalog{any: Effect{Leaves: Sets | Objects | Creates | Defines | Notifies | Texts}}
}

// Builder makes a catalog.
type Builder struct {
	own   map[string]Effect
	calls map[string][]string
}

// The names under which a builder is told what has none of its own.
const (
	// Unnamed is whatever is called without a name: casts, and the operators that
	// IN, ORDER BY, LIKE and the like stand for.
	Unnamed = "\x02"
	// EventTriggers are whatever is called by statements that define something.
	EventTriggers = "\x03"
	// Any, among the words of a statement, is that it uses relations whose names it is
	// given.
	Any = "\x04"
)

// TypeOf is, among the words of a statement and for a builder, a type by its oid.
func TypeOf(oid uint32) string { return "\x05" + strconv.FormatUint(uint64(oid), 10) }

// Add notes a routine with its code. Routines of one name are taken together, and
// so is a relation that is called like one.
func (b *Builder) Add(name string, code Code) {
	b.init()
	b.own[name] = b.own[name].With(code.Effect)
	b.calls[name] = append(b.calls[name], code.Names...)
}

// Calls notes that whoever mentions a name calls what goes by another: a view its
// functions, a table its triggers.
func (b *Builder) Calls(name, called string) {
	b.init()
	b.calls[name] = append(b.calls[name], called)
	leaves := functions[called]
	switch {
	case called == "set_config":
		leaves = Sets | Computed
	case runsText[called]:
		leaves = Unknowable
	case called == "pg_settings":
		leaves = Sets // an UPDATE of a view of it is a spelling of SET
	}
	if actsOutside(called) {
		leaves |= Outside
	}
	b.own[name] = b.own[name].With(Effect{Leaves: leaves})
}

func (b *Builder) init() {
	if b.own == nil {
		b.own, b.calls = make(map[string]Effect), make(map[string][]string)
	}
}

// Catalog returns what was noted, with what everything leaves that it calls.
func (b *Builder) Catalog() *Catalog {
	b.init()
	for _, name := range indirect {
		b.own[name] = b.own[name].With(Effect{Leaves: Anything})
	}
	var foreign Effect
	for name, e := range b.own {
		if !isASCII(name) {
			foreign = foreign.With(e)
		}
	}
	for changed := true; changed; {
		changed = false
		for name, called := range b.calls {
			was := b.own[name]
			now := was
			for _, other := range called {
				if other != name {
					now = now.With(b.own[other])
				}
				if !utf8.ValidString(other) {
					now = now.With(foreign) // PostgreSQL may fold and cut it (scansup.c)
				}
			}
			if !now.equal(was) {
				b.own[name], changed = now, true
			}
		}
	}
	c := &Catalog{names: make(map[string]Effect), outside: make(map[string]bool), any: b.own[Unnamed], ddl: b.own[EventTriggers]}
	for _, e := range b.own {
		c.all = c.all.With(e)
	}
	c.all.Leaves &^= Anything
	for name, e := range b.own {
		if name == Unnamed || name == EventTriggers {
			continue
		}
		switch leaves := c.Resolved(e).Leaves; {
		case leaves == Outside, leaves == Outside|Anything:
			c.outside[strings.Clone(name)] = true
		case leaves&^Anything != 0:
			c.names[strings.Clone(name)] = e
			c.foreign = c.foreign || !isASCII(name)
		}
	}
	return c
}

// quiet reports whether nothing is left but that relations of unknown names are
// used, of which none leaves anything.
func (e Effect) quiet() bool { return e.Leaves&^(Anything|Defines|Outside) == 0 }

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
