// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// Some settings only a superuser may set, or a role that was granted it (GRANT SET
// ON PARAMETER), and some of these only who may read all settings sees. A client may
// have been such a role when it set one. On another connection the login would have
// to set it, and to give it its default afterwards; where it may not, or PostgreSQL
// does not show what the setting is, the client keeps its connection. RESET ALL,
// which a reset begins with, asks for no privilege (PostgreSQL: ResetAllOptions).

// guarded returns those of the settings that not everybody may set or see.
func (l *lore) guarded(names []string) (list []string) {
	for _, name := range names {
		if l == nil || !l.free[name] && !fallible[name] {
			list = append(list, name)
		}
	}
	return list
}

// guards notes what a statement that is sent may set that not everybody may. What it
// sets with others, which its error may not undo, is noted twice; see refusedGuarded.
func (x *exchange) guards(e *effect) {
	if e.guarded == nil {
		return
	}
	list := x.pool().lore.Load().guarded(e.guarded)
	x.changes.guarded = append(x.changes.guarded, list...)
	if !e.single {
		x.changes.guarded = append(x.changes.guarded, list...)
	}
}

// refusedGuarded takes in that PostgreSQL has refused to set a setting for want of the
// privilege (guc.c: set_config_option). Where nothing else may have set it since the
// settings were last known, it is not set.
func (x *exchange) refusedGuarded(code sqlstate.Code, body []byte) {
	if len(x.changes.guarded) == 0 || code != insufficientPrivilege || !strings.HasPrefix(string(wire.Field(body, fieldRoutine)), "set_config") {
		return
	}
	message := strings.ToLower(string(wire.Field(body, wire.FieldMessage)))
	all := x.changes.guarded
	x.changes.guarded = slices.DeleteFunc(slices.Clone(all), func(name string) bool {
		again := slices.Contains(all[slices.Index(all, name)+1:], name)
		return !again && strings.Contains(message, `"`+name+`"`)
	})
}

const insufficientPrivilege sqlstate.Code = "42501"

// guardedIn returns those of the settings that have to be asked for.
func (x *exchange) guardedIn(s Settings) (names []string) {
	l := x.pool().lore.Load()
	for name := range s.each {
		if l != nil && !l.free[name] && !fallible[name] {
			names = append(names, name)
		}
	}
	return names
}

// maySet is the condition that the pool's login may set the setting s of pg_settings,
// whoever the session is now.
func (x *exchange) maySet() string {
	may := `r.rolsuper`
	if x.majorVersion() >= 15 {
		may = `pg_catalog.has_parameter_privilege(r.oid, s.name, 'SET')`
	}
	return `(SELECT ` + may + ` FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=)` + quoteValue(x.pool().target().User()) + `)`
}

// addGuarded adds a row without a value for each setting that there is, that may
// have been changed and that PostgreSQL does not show. Before version 15 it does not
// say that there is one.
func (x *exchange) addGuarded(sql *strings.Builder) {
	names := slices.Concat(x.changes.guarded, x.changes.long, x.guardedIn(x.s.settings), x.guardedIn(x.up.settings))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if isHidden(name) || x.majorVersion() < 15 && !unshown[name] {
			continue
		}
		quoted := quoteValue(name)
		sql.WriteString(` UNION ALL SELECT ` + quoted + `, NULL, 1 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_settings s WHERE pg_catalog.lower(s.name) OPERATOR(pg_catalog.=)` + quoted + `)`)
		if !unshown[name] {
			sql.WriteString(` AND pg_catalog.pg_settings_get_flags(` + quoted + `) IS NOT NULL`)
		}
	}
}

// unshown are PostgreSQL's own that only those see who may read all settings
// (guc_tables.c: GUC_SUPERUSER_ONLY).
var unshown = map[string]bool{"dynamic_library_path": true, "session_preload_libraries": true}
