// SPDX-License-Identifier: Apache-2.0

package session

import (
	"maps"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/wire"
)

// settingsQuery asks for the settings of the session. Names and operators are
// qualified, because the search_path is the client's.
const settingsQuery = `SELECT s.name, s.setting FROM pg_catalog.pg_settings s ` +
	`WHERE s.source OPERATOR(pg_catalog.=) 'session' AND s.name OPERATOR(pg_catalog.!~~) 'transaction%'`

// learn asks the upstream what settings the client has now. One that is back to
// its default is, for this client, what it asked for at login.
func (x *exchange) learn() {
	names := append(x.changes.hidden, hiddenIn(x.s.settings)...)
	names = append(names, hiddenIn(x.up.settings)...)
	x.changes.touched, x.changes.hidden = false, nil
	held := x.keeps()
	has, err := x.inquire(names, x.s.start)
	if err != nil {
		x.discardUpstream("it did not say what settings it has: " + err.Error())
		if held {
			x.bereave(err)
		}
		return
	}
	wants := x.s.start.values()
	x.unrelieve(has)
	x.up.settings = settingsOf(has)
	maps.Copy(wants, has)
	x.s.changeSettings(settingsOf(wants))
	x.changes.settled = x.s.settings
}

// inquire asks the upstream for its settings, and by name for those that
// pg_settings leaves out. Who the session is counts only where it is not what it
// began as, or the client began as somebody else.
func (x *exchange) inquire(hidden []string, start Settings) (map[string]string, error) {
	var sql strings.Builder
	sql.WriteString(settingsQuery)
	slices.Sort(hidden)
	for _, name := range slices.Compact(hidden) {
		quoted := quoteValue(name)
		sql.WriteString(" UNION ALL SELECT " + quoted + ", pg_catalog.current_setting(" + quoted + ", true)")
	}
	has, err := x.rowsFrom(sql.String())
	if l := x.pool().lore.Load(); l != nil {
		for _, name := range identity {
			if _, ok := start.get(name); !ok && has[name] == l.began[name] {
				delete(has, name)
			}
		}
	}
	return has, err
}

// rowsFrom runs a query of two columns, and returns the second by the first in
// lower case.
func (x *exchange) rowsFrom(sql string) (map[string]string, error) {
	x.found.rows = make(map[string]string)
	err := x.command(sql)
	rows := x.found.rows
	x.found.rows = nil
	return rows, err
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

// row takes a row of two columns that answers a query of weir's own.
func (x *exchange) row(body []byte) {
	name, rest, ok := wire.Column(body[2:])
	if !ok {
		return
	}
	value, _, ok := wire.Column(rest)
	if ok && value != nil { // null: there is no such setting
		x.found.rows[strings.ToLower(string(name))] = string(value)
	}
}
