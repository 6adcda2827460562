// SPDX-License-Identifier: Apache-2.0

package session

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// longestFollowing is the longest value of a setting that follows its client, in
// PostgreSQL's bytes. A longer one is not fetched: its client keeps its upstream.
const longestFollowing = 1 << 20 // 1 MiB

// mostFollowing bounds what all settings of a client take. The longest of them keep
// their client on its upstream.
const mostFollowing = 4 << 20 // 4 MiB

// settingsQuery asks for the settings of the session. Names and operators are
// qualified, because the search_path is the client's. What the login may not set,
// see maySet, comes without its value: it cannot follow. Of the time limits $1, which
// limitsQuery has taken off, it asks what they were at the session's start.
var settingsQuery = `SELECT CASE WHEN s.name OPERATOR(pg_catalog.=) ANY (l.names) THEN pg_catalog.concat('` + startOf + `', s.name) ELSE s.name END,` +
	` CASE WHEN s.name OPERATOR(pg_catalog.=) ANY (l.names) THEN s.reset_val WHEN ` + followsIf("s.setting") + ` AND (s.context OPERATOR(pg_catalog.=) 'user' OR $2) THEN s.setting END,` +
	` pg_catalog.octet_length(s.setting)` +
	` FROM pg_catalog.pg_settings s, (SELECT '{$1}'::pg_catalog.text[]) l (names)` +
	` WHERE s.name OPERATOR(pg_catalog.=) ANY (l.names)` +
	` OR s.source OPERATOR(pg_catalog.=) 'session' AND s.name OPERATOR(pg_catalog.<>) ALL ('{` + ofTransactions + `}'::pg_catalog.text[])`

// ofTransactions are the settings that are one transaction's.
const ofTransactions = "transaction_deferrable,transaction_isolation,transaction_read_only"

// followsIf is the condition that a value can follow.
func followsIf(value string) string {
	return "pg_catalog.octet_length(" + value + ") OPERATOR(pg_catalog.<=) " + strconv.Itoa(longestFollowing)
}

// startOf marks the name of a time limit with its value at the session's start.
const startOf = "!"

// limitsQuery takes the time limits $1 off, and says what they were.
const limitsQuery = `SELECT n,pg_catalog.current_setting(n),pg_catalog.set_config(n,'0',true) FROM pg_catalog.unnest('{$1}'::pg_catalog.text[]) n;`

// learn asks the upstream what settings the client has now. One that is back to
// its default is, for this client, what it asked for at login.
func (x *exchange) learn() {
	names := slices.Concat(x.changes.hidden, hiddenAmong(x.changes.long), hiddenIn(x.s.settings), hiddenIn(x.up.settings))
	names, unheard := x.anybody(names)
	has, err := x.inquire(names, x.s.start)
	switch {
	case x.up == nil:
		if !x.leaving { // to go on with other settings would be to go on as somebody else
			x.bereave(err)
		}
		return
	case err != nil:
		x.unlearned(names, err)
		return
	}
	x.changes.touched, x.changes.hidden, x.changes.anybody, x.changes.reverts = false, nil, false, false
	x.changes.guarded = nil
	x.changes.long = append(x.found.long, tooMany(has)...)
	for _, name := range unheard {
		if has[name] == "" {
			delete(has, name) // it was never set here, or taken back
		}
	}
	wants := x.s.start.values()
	x.unrelieve(has)
	x.up.settings = settingsOf(has)
	x.defaulted(has)
	maps.Copy(wants, has)
	x.s.changeSettings(settingsOf(wants))
	x.changes.settled = x.s.settings
	if !x.changes.stated {
		x.restate(has)
	}
	x.changes.stated = false
	x.followed(x.changes.long == nil)
}

// restate reports the parameters that the client has asked for at login and that are
// back at their defaults: the upstream has reported its own, where for this client
// the default is what it asked for.
func (x *exchange) restate(has map[string]string) {
	for name, value := range x.up.Params {
		lower := strings.ToLower(name)
		if _, set := has[lower]; set || !followed[lower] {
			continue
		}
		if own, ok := x.s.start.get(lower); ok && own != value {
			x.toClient.insert(func(out []byte) []byte { return wire.AppendParameterStatus(out, name, own) })
		}
	}
}

// unlearned has a client keep the upstream that did not say what settings the
// client has. It is asked again after the next transaction.
func (x *exchange) unlearned(names []string, err error) {
	x.s.env.log.Warn("PostgreSQL did not say what settings a client has: it keeps its connection at least until its next transaction", "error", err, "client", x.s.describe())
	x.changes.touched, x.changes.unlearned, x.changes.hidden = false, true, names
	x.followed(false)
}

// followed notes whether all of the client's settings can follow it. Where one does
// not, the client keeps its upstream.
func (x *exchange) followed(all bool) {
	switch {
	case x.pool().sessionMode():
		return
	case all:
		x.s.setPin(x.s.pinned() &^ unfollowed)
		return
	}
	if !x.s.place {
		x.s.place = x.pool().places.take(0, true) // nobody saw it coming
	}
	x.s.setPin(x.s.pinned() | unfollowed)
}

// tooMany takes the longest settings out where all of them are too much, and
// returns their names.
func tooMany(has map[string]string) (names []string) {
	total := 0
	for name, value := range has {
		total += len(name) + len(value)
	}
	for total > mostFollowing {
		longest := ""
		for name, value := range has {
			if longest == "" || len(value) > len(has[longest]) {
				longest = name
			}
		}
		total -= len(longest) + len(has[longest])
		delete(has, longest)
		names = append(names, longest)
	}
	return names
}

// anybody returns the names that have to be asked for with those of every setting
// that a program has made up in the pool and of who the session is, where what was
// sent may have changed any; and those of them that nobody has mentioned.
func (x *exchange) anybody(names []string) (all, unheard []string) {
	p := x.pool()
	p.madeUp.add(names)
	if !x.changes.anybody {
		return names, nil
	}
	for _, name := range p.madeUp.list() {
		if !slices.Contains(names, name) {
			unheard = append(unheard, name)
		}
	}
	return append(append(names, identity[:]...), unheard...), unheard
}

// inquire asks the upstream for its settings, and by name for those that
// pg_settings leaves out. Who the session is counts only where it is not what it
// began as, or the client began as somebody else.
func (x *exchange) inquire(hidden []string, start Settings) (map[string]string, error) {
	limits := x.timeLimits()
	var sql strings.Builder
	sql.WriteString(ownTransaction)
	sql.WriteString(strings.NewReplacer("$1", strings.Join(limits, ","), "$2", x.maySet()).Replace(limitsQuery + settingsQuery))
	x.addGuarded(&sql)
	addHidden(&sql, slices.Compact(slices.Sorted(slices.Values(hidden)))) // of a copy, the caller asks again if this fails
	has, err := x.rowsFrom(sql.String())
	for _, name := range x.found.long {
		delete(has, name) // asked for by name, too
	}
	if l := x.pool().lore.Load(); l != nil {
		for _, name := range identity {
			if _, ok := start.get(name); !ok && has[name] == l.began[name] {
				delete(has, name)
			}
		}
	}
	for _, name := range limits {
		x.foundLimit(has, name)
	}
	return has, err
}

// addHidden adds a row for each setting that has to be asked for by name. One of a library
// that is loaded is listed by now, and has its row if it was set in the session.
func addHidden(sql *strings.Builder, names []string) {
	if len(names) == 0 {
		return
	}
	sql.WriteString(" UNION ALL SELECT h.n, CASE WHEN " + followsIf("v") + " THEN v END, pg_catalog.octet_length(v) FROM (VALUES ")
	for i, name := range names {
		if i > 0 {
			sql.WriteByte(',')
		}
		sql.WriteString("(" + quoteValue(name) + "::pg_catalog.text)")
	}
	sql.WriteString(") h (n), LATERAL pg_catalog.current_setting(h.n, true) v" +
		" WHERE h.n OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT pg_catalog.lower(l.name) FROM pg_catalog.pg_settings l))")
}

// foundLimit puts a time limit among the settings as pg_settings would have it,
// unless it is what the session began with.
func (x *exchange) foundLimit(has map[string]string, name string) {
	now, ok := sqltext.Milliseconds(has[name])
	has[name] = strconv.FormatInt(now, 10)
	if began := startOf + name; !ok || has[name] == has[began] {
		delete(has, name)
	}
	delete(has, startOf+name)
}

// hiddenIn returns those of the settings that have to be asked for by name.
func hiddenIn(s Settings) (names []string) {
	for name := range s.values() {
		if isHidden(name) {
			names = append(names, name)
		}
	}
	return names
}

// hiddenAmong returns those of the names.
func hiddenAmong(names []string) (hidden []string) {
	for _, name := range names {
		if isHidden(name) {
			hidden = append(hidden, name)
		}
	}
	return hidden
}
