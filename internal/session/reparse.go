// SPDX-License-Identifier: Apache-2.0

package session

import (
	"maps"
	"slices"
	"strings"
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

// asPrepared calls parse, which sends a Parse of st, while the upstream has the settings
// under which the client prepared it.
func (x *exchange) asPrepared(st *statement, parse func()) {
	if unaffected&(1<<st.kind) == 0 {
		x.s.snapshot.group |= byWeir
	}
	unknown := x.varied || x.changes.touched || x.s.pinned()&(parameters|opaque|unfollowed) != 0
	if st.meaning == x.s.meaning && !unknown || unaffected&(1<<st.kind) != 0 || x.status == wire.Failed || st.postponed() {
		parse()
		return
	}
	there, here := Settings{unique.Make(st.meaning)}, Settings{unique.Make(x.s.meaning)}
	if !unknown {
		login := x.pool().startsAsAnother()
		x.runOwn(localSettings(login, here, there))
		parse()
		x.runOwn(localSettings(login, there, here))
		return
	}
	names := slices.Concat(parsed, x.changes.hidden, x.changes.guarded, x.changes.long)
	for _, s := range [...]Settings{there, here} {
		for name := range s.each {
			names = append(names, name)
		}
	}
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(identity[:], name) })
	slices.Sort(names)
	names = slices.Compact(names)
	l, login := x.pool().lore.Load(), x.pool().startsAsAnother()
	x.runOwn(l.keepSettings(login, x.maySet(), names, there))
	parse()
	x.runOwn(l.keptSettings(login, names, there))
}

// localSettings returns the SQL that takes a transaction from some settings to
// others. As in script.full, who one is ends first and begins last.
func localSettings(login string, from, to Settings) string {
	l := localScript{sql: []byte("SELECT "), encoding: to.encoding(), login: login}
	_, before := from.anonymous()
	_, after := to.anonymous()
	same := maps.Equal(before, after) && login == ""
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
			l.set(name, l.value(value))
		default:
			l.set(name, null)
		}
	}
}

// keepSettings returns the SQL that keeps what is in force, and takes the
// transaction to some settings. Who the session is ends before anything else is
// read: it may not be shown what it has set as somebody else. What the login is not
// shown either stays as it is, and so does what it may not set: a name with a dot may
// be that of a library's, or of none. maySet is the condition for that. PostgreSQL lists
// its settings once, and not before who the session is has ended (executor/nodeCtescan.c).
func (l *lore) keepSettings(login, maySet string, names []string, to Settings) string {
	s := localScript{encoding: to.encoding(), login: login}
	s.sql = append(s.sql, "WITH s (name,setting,free) AS MATERIALIZED (SELECT pg_catalog.lower(s.name),s.setting,s.context OPERATOR(pg_catalog.=) 'user' OR "+maySet+" FROM pg_catalog.pg_settings s) SELECT "...)
	for _, name := range identity {
		s.set(keptPrefix+name, inForce(name))
	}
	s.anybody()
	for _, name := range names {
		if dotted(name, to) {
			s.set(keptPrefix+name, "(SELECT pg_catalog.concat('=',v) FROM pg_catalog.current_setting("+quoteValue(name)+",true) v WHERE v IS NOT NULL AND NOT EXISTS (SELECT FROM s WHERE s.name OPERATOR(pg_catalog.=)"+quoteValue(name)+" AND NOT s.free))")
		} else if l.shows(name) {
			s.set(keptPrefix+name, inForce(name))
		} else {
			s.set(keptPrefix+name, "(SELECT pg_catalog.concat('=',s.setting) FROM s WHERE s.name OPERATOR(pg_catalog.=)"+quoteValue(name)+")")
		}
	}
	for _, name := range names {
		value := null
		if v, ok := to.get(name); ok {
			value = s.value(v)
		}
		l.restore(&s, name, value, to)
	}
	s.identify(to)
	return string(s.sql)
}

// keptSettings returns the SQL that takes the transaction back.
func (l *lore) keptSettings(login string, names []string, to Settings) string {
	s := localScript{sql: []byte("SELECT "), login: login}
	s.anybody()
	for _, name := range names {
		l.restore(&s, name, kept(name), to)
	}
	for _, name := range identity {
		s.set(name, kept(name))
	}
	return string(s.sql)
}

// restore sets a setting. One of which it is not certain that there is something to be
// kept is set only where there was.
func (l *lore) restore(s *localScript, name, value string, to Settings) {
	if l.shows(name) && !dotted(name, to) {
		s.set(name, value)
	} else {
		s.setKept(name, value)
	}
}

// inForce is an expression for what a setting is, to be kept.
func inForce(name string) string {
	return "pg_catalog.concat('=',pg_catalog.current_setting(" + quoteValue(name) + ",true))"
}

// kept is an expression for what a setting was.
func kept(name string) string {
	return "pg_catalog.substr(pg_catalog.current_setting(" + quoteValue(keptPrefix+name) + "),2)"
}

// dotted reports whether a setting has a dot in its name, and is not wanted: nobody
// may ever have set it.
func dotted(name string, to Settings) bool {
	_, wanted := to.get(name)
	return !wanted && strings.Contains(name, ".")
}

// shows reports whether PostgreSQL shows a setting to everybody.
func (l *lore) shows(name string) bool { return isHidden(name) || l != nil && l.free[name] }

// localScript is a SELECT that changes settings for the transaction. It returns none
// of their values, for which the client's encoding may have no letters.
type localScript struct {
	sql      []byte
	any      bool
	encoding string // of the values
	login    string // whose the session is to be, where it began as somebody else's
}

// null as a value is what a session begins with.
const null = "NULL"

// value is an expression for a value.
func (l *localScript) value(v string) string {
	s := script{encoding: l.encoding}
	s.value(v)
	return string(s.sql)
}

// set writes one setting, whose value is an expression.
func (l *localScript) set(name, value string) {
	l.comma()
	l.sql = append(l.sql, "pg_catalog.set_config("+quoteValue(name)+","+value+",true) IS NULL"...)
}

// setKept is set where the setting was kept: where it was shown.
func (l *localScript) setKept(name, value string) {
	l.comma()
	l.sql = append(l.sql, "CASE WHEN pg_catalog.current_setting("+quoteValue(keptPrefix+name)+") OPERATOR(pg_catalog.<>) '' THEN pg_catalog.set_config("+quoteValue(name)+","+value+",true) END IS NULL"...)
}

func (l *localScript) comma() {
	if l.any {
		l.sql = append(l.sql, ',')
	}
	l.any = true
}

// anybody ends who the session is: else it may lack the right to set the rest.
func (l *localScript) anybody() {
	if l.login != "" {
		l.set("session_authorization", quoteValue(l.login))
		l.set("role", quoteValue("none"))
		return
	}
	for _, name := range identity {
		l.set(name, null)
	}
}

func (l *localScript) identify(s Settings) {
	for _, name := range identity {
		if value, ok := s.get(name); ok {
			l.set(name, l.value(value))
		} else if l.login != "" {
			l.set(name, null)
		}
	}
}

// aside is the name of the statement and the portal in which runOwn runs.
var aside = namePrefix + "="

// runOwn runs SQL of weir's own in the client's group. It leaves the unnamed
// statement alone. What it has prepared before is still there if that failed.
func (x *exchange) runOwn(sql string) { x.runOwnAhead(sql, false) }

// runOwnAhead is runOwn where a Query may come next, which is skipped if this fails.
func (x *exchange) runOwnAhead(sql string, query bool) {
	x.s.snapshot.group |= ran
	for _, kind := range [...]byte{'C', 'P', 'B', 'E', 'C', 'C'} {
		x.due.push(answer{kind: kind, fate: swallowed, leads: query})
	}
	x.toUp.insert(func(out []byte) []byte {
		out = wire.AppendTarget(out, wire.Close, wire.Statement, aside)
		out = wire.AppendParse(out, aside, sql, noOIDs)
		out = wire.AppendExecute(wire.AppendBind(out, aside, aside), aside)
		out = wire.AppendTarget(out, wire.Close, wire.Portal, aside)
		return wire.AppendTarget(out, wire.Close, wire.Statement, aside)
	})
}
