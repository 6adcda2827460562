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
	var sql strings.Builder
	sql.WriteString(settingsQuery)
	for _, name := range x.hiddenNames() {
		quoted := quoteValue(name)
		sql.WriteString(" UNION ALL SELECT " + quoted + ", pg_catalog.current_setting(" + quoted + ", true)")
	}
	x.touched, x.hidden = false, nil
	x.rowsOf = make(map[string]string)
	err := x.command(sql.String())
	has := x.rowsOf
	x.rowsOf = nil
	if err != nil {
		x.discardUpstream("it did not say what settings it has: " + err.Error())
		return
	}
	x.up.settings = settingsOf(has)
	wants := x.s.start.values()
	maps.Copy(wants, has)
	x.s.changeSettings(settingsOf(wants))
}

// hiddenNames are the settings to ask for one by one: those that were touched, and
// those that the client or the upstream has.
func (x *exchange) hiddenNames() []string {
	names := x.hidden
	for _, m := range []map[string]string{x.s.settings.values(), x.up.settings.values()} {
		for name := range m {
			if isHidden(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// row takes a row of two columns that answers a query of weir's own.
func (x *exchange) row(body []byte) {
	name, rest, ok := wire.Column(body[2:])
	if !ok {
		return
	}
	value, _, ok := wire.Column(rest)
	if ok && value != nil { // null: there is no such setting
		x.rowsOf[strings.ToLower(string(name))] = string(value)
	}
}
