// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"

	"github.com/weir-pg/weir/internal/routine"
	"github.com/weir-pg/weir/internal/sqltext"
)

// addSetConfigs notes what calls of set_config, or an UPDATE of pg_settings, touch.
// Where the name of a setting is not written out, nobody knows what follows the
// client. One that is set for the transaction only leaves nothing.
func (e *effect) addSetConfigs(text []byte) {
	if contains(text, "pg_settings") {
		e.sets, e.touches = true, true // the view has no setting that is hidden
		e.reverts = true
		e.rereads = true
	}
	if contains(text, "null") {
		e.defaults = append(e.defaults, routine.Read("sql", string(text)).Resets...)
	}
	for _, call := range sqltext.Assignments(text) {
		e.rereads = e.rereads || !call.Known || rereads(call.Name)
		switch {
		case call.Name == seedSetting || call.Computed:
			e.pins |= functions
		case !call.Known:
			e.maySeed = true
		}
		if call.Local {
			e.locals = e.locals || !call.Known || !meaningless[call.Name]
			continue // like SET LOCAL
		}
		e.sets, e.touches = true, true
		if call.Known {
			e.add(call.Name)
			e.configs = append(e.configs, strings.ToLower(call.Name))
		} else {
			e.pins |= parameters
			e.reverts = true
		}
	}
}
