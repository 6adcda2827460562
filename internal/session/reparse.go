// SPDX-License-Identifier: Apache-2.0

package session

import (
	"maps"
	"slices"
	"unique"

	"github.com/weir-pg/weir/internal/wire"
)

// A client's statement means what it meant when the client prepared it: PostgreSQL
// reads its constants then. So on an upstream that lacks it, it is prepared under
// the settings of then, and run under those of now. What changes the settings and
// changes them back is for the transaction only, and in the client's own group: an
// error undoes it with the rest, and what is in force for longer is not touched
// (PostgreSQL: guc.c, GUC_SET_LOCAL).

// parsed are the settings that are read when a text is parsed: by the parser, and
// by the input functions of PostgreSQL's types. They are kept where it is not known
// what the present ones are.
var parsed = []string{
	"array_nulls", "backslash_quote", "client_encoding", "datestyle", "default_text_search_config",
	"intervalstyle", "lc_monetary", "lc_numeric", "lc_time", "search_path", "standard_conforming_strings",
	"timezone", "timezone_abbreviations", "transform_null_equals", "xmlbinary", "xmloption",
}

// keptPrefix begins the names of the parameters in which settings are kept.
const keptPrefix = "weir."

// asPrepared gives the upstream, as far as the next Parse, the settings under which
// st was prepared. It returns the SQL that ends that, "" where nothing differs.
func (x *exchange) asPrepared(st *statement) (back string) {
	unknown := x.varied || x.changes.touched || x.s.pinned()&(parameters|opaque) != 0
	if st.meaning == x.s.meaning && !unknown || unaffected&(1<<st.kind) != 0 || x.status == wire.Failed {
		return ""
	}
	there, here := Settings{unique.Make(st.meaning)}, Settings{unique.Make(x.s.meaning)}
	if !unknown {
		x.runOwn(localSettings(here, there))
		return localSettings(there, here)
	}
	names := slices.Concat(parsed, x.changes.hidden)
	for _, s := range [...]Settings{there, here} {
		for name := range s.each {
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(identity[:], name) })
	slices.Sort(names)
	names = slices.Compact(names)
	x.runOwn(keepSettings(names, there))
	return keptSettings(names)
}

// localSettings returns the SQL that takes a transaction from some settings to
// others. As in script.full, who one is ends first and begins last.
func localSettings(from, to Settings) string {
	l := localScript{sql: []byte("SELECT ")}
	_, before := from.anonymous()
	_, after := to.anonymous()
	same := maps.Equal(before, after)
	if !same {
		l.anybody()
	}
	for d := (difference{from.encoded.Value(), to.encoded.Value()}); ; {
		name, value, wanted, ok := d.next()
		switch {
		case !ok && !same:
			l.identify(to)
			return string(l.sql)
		case !ok:
			return string(l.sql)
		case slices.Contains(identity[:], name):
		case wanted:
			l.set(name, quoteValue(value))
		default:
			l.set(name, null)
		}
	}
}

// keepSettings returns the SQL that keeps what is in force, and takes the
// transaction to some settings.
func keepSettings(names []string, to Settings) string {
	l := localScript{sql: []byte("SELECT ")}
	for _, name := range slices.Concat(names, identity[:]) {
		l.set(keptPrefix+name, "pg_catalog.concat('=',pg_catalog.current_setting("+quoteValue(name)+",true))")
	}
	l.anybody()
	for _, name := range names {
		if value, ok := to.get(name); ok {
			l.set(name, quoteValue(value))
		} else {
			l.set(name, null)
		}
	}
	l.identify(to)
	return string(l.sql)
}

// keptSettings returns the SQL that takes the transaction back.
func keptSettings(names []string) string {
	l := localScript{sql: []byte("SELECT ")}
	l.anybody()
	for _, name := range slices.Concat(names, identity[:]) {
		l.set(name, "pg_catalog.substr(pg_catalog.current_setting("+quoteValue(keptPrefix+name)+"),2)")
	}
	return string(l.sql)
}

// localScript is a SELECT that changes settings for the transaction.
type localScript struct {
	sql []byte
	any bool
}

// null as a value is what a session begins with.
const null = "NULL"

// set writes one setting, whose value is an expression.
func (l *localScript) set(name, value string) {
	if l.any {
		l.sql = append(l.sql, ',')
	}
	l.any = true
	l.sql = append(l.sql, "pg_catalog.set_config("+quoteValue(name)+","+value+",true)"...)
}

// anybody ends who the session is: else it may lack the right to set the rest.
func (l *localScript) anybody() {
	for _, name := range identity {
		l.set(name, null)
	}
}

func (l *localScript) identify(s Settings) {
	for _, name := range identity {
		if value, ok := s.get(name); ok {
			l.set(name, quoteValue(value))
		}
	}
}

// aside is the name of the statement and the portal in which runOwn runs.
var aside = namePrefix + "="

// runOwn runs SQL of weir's own in the client's group. It leaves the unnamed
// statement alone. What it has prepared before is still there if that failed.
func (x *exchange) runOwn(sql string) {
	for _, kind := range [...]byte{'C', 'P', 'B', 'E', 'C', 'C'} {
		x.due.push(answer{kind: kind, fate: swallowed})
	}
	x.toUp.insert(func(out []byte) []byte {
		out = wire.AppendTarget(out, wire.Close, wire.Statement, aside)
		out = wire.AppendParse(out, aside, sql, noOIDs)
		out = wire.AppendExecute(wire.AppendBind(out, aside, aside), aside)
		out = wire.AppendTarget(out, wire.Close, wire.Portal, aside)
		return wire.AppendTarget(out, wire.Close, wire.Statement, aside)
	})
}
