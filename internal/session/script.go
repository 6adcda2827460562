// SPDX-License-Identifier: Apache-2.0

package session

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
)

// script is SQL that gives a session other settings.
type script struct {
	sql  []byte
	sure bool // PostgreSQL cannot refuse it, if it has accepted the values before
	lore *lore

	// encoding is the one that the values to be set are in, "" for that of any
	// connection's start.
	encoding string

	// asLogin makes the session the login's, where RESET does not; see Pool.asLogin.
	asLogin string

	// quotes: quote_all_identifiers may be on where the script runs, by which SET
	// would write a list in another way.
	quotes bool
}

// replay appends to b what takes a session from some settings to others. Who one
// is decides what one may set, so that is given up first and taken on last.
func (l *lore) replay(b []byte, from, to Settings) script { return l.replayAs("", b, from, to) }

// replayAs is replay in a pool where asLogin makes a session the login's.
func (l *lore) replayAs(asLogin string, b []byte, from, to Settings) script {
	_, had := from.get(quoteAll)
	_, has := to.get(quoteAll)
	s := script{sql: b, sure: l != nil, lore: l, quotes: had || has, encoding: to.encoding(), asLogin: asLogin}
	s.free(from)
	if from == unknownSettings || from.identifies() || to.identifies() {
		s.full(from, to)
	} else {
		n := len(s.sql)
		if s.change(from, to); asLogin != "" && !s.sure {
			s.sql = s.sql[:n]
			s.full(from, to)
		}
	}
	s.limits(from, to)
	return s
}

// free has the script run without the limits of the client that had the session
// before. They are in force until it has begun, so a short one may end it.
func (s *script) free(from Settings) {
	if from.hasAny(waitingModes[:]) || from == unknownSettings {
		s.add(ownTransaction)
	}
	for _, name := range scriptLimits {
		limit, ok := from.get(name)
		ms, known := sqltext.Milliseconds(limit)
		if !ok || known && (ms == 0 || ms >= shortLimit) {
			continue
		}
		s.sure = false
		s.add("SET LOCAL ", name, "=0;")
	}
}

// waitingModes are the settings by which a transaction may have to wait before it
// reads anything.
var waitingModes = [...]string{"default_transaction_deferrable", "default_transaction_isolation"}

// scriptLimits are the settings that may end a script. What sets them comes last.
var scriptLimits = [...]string{"lock_timeout", statementTimeout, "transaction_timeout"}

// shortLimit is a time, in milliseconds, that no script takes.
const shortLimit = 1000

// limits is change for the time limits.
func (s *script) limits(from, to Settings) {
	if from == unknownSettings {
		from = noSettings // they were reset
	}
	for _, name := range scriptLimits {
		had, has := from.get(name)
		value, wanted := to.get(name)
		switch {
		case wanted && (!has || had != value):
			s.set(name, value)
		case has && !wanted:
			s.reset(name)
		}
	}
}

// full is replay where the role may change, or nothing is known.
func (s *script) full(from, to Settings) {
	s.sure = false
	const back = "RESET SESSION AUTHORIZATION;RESET ROLE;" // the first does not end a role that was there before it
	s.add(back, s.asLogin)
	if from == unknownSettings {
		s.add("RESET ALL;")
		from = noSettings
	}
	from, _ = from.anonymous()
	to, who := to.anonymous()
	s.change(from, to)
	if s.asLogin != "" {
		s.add(back)
	}
	for _, name := range identity {
		if value, ok := who[name]; ok {
			s.set(name, value)
		}
	}
}

// change writes what differs but the time limits, in the order of the names.
func (s *script) change(from, to Settings) {
	d := difference{from.encoded.Value(), to.encoded.Value()}
	for {
		name, value, wanted, ok := d.next()
		switch {
		case !ok:
			return
		case slices.Contains(scriptLimits[:], name):
		case wanted:
			s.set(name, value)
		default:
			s.reset(name)
		}
	}
}

func (s *script) add(parts ...string) {
	for _, p := range parts {
		s.sql = append(s.sql, p...)
	}
}

// isFree reports whether the setting is free; if not, the script is not sure.
func (s *script) isFree(name string) bool {
	free := s.lore != nil && s.lore.free[name]
	s.sure = s.sure && free
	return free
}

func (s *script) reset(name string) {
	s.isFree(name)
	s.add("RESET ", quoteName(name), ";")
}

// set writes one setting. SET costs PostgreSQL less than a call of set_config,
// which reads a value as a start-up packet's is read: a list stays a list.
func (s *script) set(name, value string) {
	free := s.isFree(name)
	switch {
	case !isASCII(value):
		s.add("SELECT ")
		s.config(name, value, false)
		s.add(";")
	case free && name == "search_path" && !s.quotes && s.lore.lists(value):
		s.add("SET search_path TO")
		s.list(value)
		s.add(";")
	case free && !quotedLists[name]:
		s.add("SET ", name, " TO")
		s.quote(value)
		s.add(";")
	default:
		s.add("SELECT ")
		s.config(name, value, false)
		s.add(";")
	}
}

// give writes one setting as a SET, whatever it is. Only a list that SET would
// write in another way takes a query.
func (s *script) give(name, value string, local bool) {
	if quotedLists[name] && !s.lore.lists(value) || !isASCII(value) {
		s.add("SELECT ")
		s.config(name, value, local)
		return
	}
	s.add("SET ")
	if local {
		s.add("LOCAL ")
	}
	s.add(quoteName(name), " TO")
	if quotedLists[name] {
		s.list(value)
	} else {
		s.quote(value)
	}
}

// config writes a call of set_config, of which no value comes back that the
// session's encoding may have no letters for.
func (s *script) config(name, value string, local bool) {
	s.add("pg_catalog.set_config(")
	s.quote(name)
	s.add(",")
	s.value(value)
	if local {
		s.add(",true)")
	} else {
		s.add(",false)")
	}
	if !isASCII(value) {
		s.add(" IS NULL")
	}
}

// value writes an expression for a value.
func (s *script) value(value string) {
	if isASCII(value) {
		s.quote(value)
	} else {
		s.decode(value)
	}
}

// decode writes an expression for a string that is not ASCII, which is itself. So
// it means the same whatever encoding the session has by then, and no byte of it is
// taken for a backslash or a quote: the second of a character may look like one in
// SJIS, BIG5, GBK and others.
func (s *script) decode(value string) {
	s.add("pg_catalog.convert_from(pg_catalog.decode('", hex.EncodeToString([]byte(value)), "','hex'),")
	if s.encoding != "" {
		s.quote(s.encoding)
	} else {
		s.add("(SELECT reset_val::pg_catalog.name FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) '" + clientEncoding + "')")
	}
	s.add(")")
}

// encoding is the client's, as far as it has asked for one.
func (s Settings) encoding() string {
	encoding, _ := s.get(clientEncoding)
	return encoding
}

// quote writes a string so that standard_conforming_strings does not matter.
func (s *script) quote(value string) {
	if strings.ContainsAny(value, `'\`) {
		s.add(quoteValue(value))
		return
	}
	s.add(" E'", value, "'")
}

const quoteAll = "quote_all_identifiers"

// quotedLists are the settings whose value is a list of identifiers, in quotes
// where needed. SET with one string would make it a single identifier
// (PostgreSQL: GUC_LIST_QUOTE).
var quotedLists = map[string]bool{
	"local_preload_libraries":   true,
	"search_path":               true,
	"session_preload_libraries": true,
	"temp_tablespaces":          true,
}

// list writes a list of identifiers as the values of a SET that gives this very
// list, to the last quote.
func (s *script) list(value string) {
	separator := ""
	for element := range strings.SplitSeq(value, ", ") {
		s.add(separator)
		s.quote(strings.Trim(element, `"`))
		separator = ","
	}
}

// lists reports whether script.list can write a value: not one that SET would
// write in another way.
func (l *lore) lists(value string) bool {
	if l == nil || value == "" {
		return false
	}
	for element := range strings.SplitSeq(value, ", ") {
		name, quoted := strings.CutPrefix(element, `"`)
		if quoted {
			name, quoted = strings.CutSuffix(name, `"`)
		}
		if quoted == l.plain(name) || strings.ContainsAny(name, `",`) {
			return false
		}
	}
	return true
}

// plain reports whether an identifier needs no quotes (PostgreSQL:
// quote_identifier).
func (l *lore) plain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && !l.keywords[name]
}
