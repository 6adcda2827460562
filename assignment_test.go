// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// The name of a setting may be put together in the statement, or be a parameter.
// Then weir does not know which setting it is, and never takes a part of it for the
// whole.
func TestSettingsWhoseNameIsComputedReachNobodyElse(t *testing.T) {
	t.Parallel()
	const tenant, user = "select coalesce(current_setting('app.tenant', true), '')", "select current_user::text"
	url := database(t)
	for name, c := range map[string]struct {
		set         string
		args        []any
		find        string
		mine, other string
		pins        int
	}{
		"literal":           {"select set_config('APP.Tenant', 'a', false)", nil, tenant, "a", "", 0},
		"dollar quoted":     {"select set_config($$app.tenant$$, 'a', false)", nil, tenant, "a", "", 0},
		"comment":           {"select set_config /* it's */ ( -- (\n 'app.tenant', 'a', false)", nil, tenant, "a", "", 0},
		"quoted function":   {`select pg_catalog . "set_config" ('app.tenant', 'a', false)`, nil, tenant, "a", "", 0},
		"concatenation":     {"select set_config('app.'||$1::text, $2, false)", []any{"tenant", "a"}, tenant, "a", "", 1},
		"role in two":       {"select set_config('ro'||'le', 'pg_monitor', false)", nil, user, "pg_monitor", "postgres", 1},
		"parameter":         {"select set_config($1, 'a', false)", []any{"app.tenant"}, tenant, "a", "", 1},
		"lines":             {"select set_config('app.'\n'tenant', 'a', false)", nil, tenant, "a", "", 1},
		"escapes":           {`select set_config(e'\141pp.tenant', 'a', false)`, nil, tenant, "a", "", 1},
		"unicode":           {`select set_config(u&'\0061pp.tenant', 'a', false)`, nil, tenant, "a", "", 1},
		"uescape":           {`select set_config(u&'!0061pp.tenant' uescape '!', 'a', false)`, nil, tenant, "a", "", 1},
		"unicode function":  {`select u&"set\005fconfig"('app.tenant', 'a', false)`, nil, tenant, "a", "", 1},
		"function":          {"select set_config(lower('APP.TENANT'), 'a', false)", nil, tenant, "a", "", 1},
		"nested":            {"select set_config(set_config('app.other', 'app.tenant', false), 'a', false)", nil, tenant, "a", "", 1},
		"cast":              {"select set_config('app.tenantx'::char(10), 'a', false)", nil, tenant, "a", "", 1},
		"parentheses":       {"select set_config(('app.tenant'), 'a', false)", nil, tenant, "a", "", 1},
		"local, in part":    {"select set_config('app.tenant', 'a', true and false)", nil, tenant, "a", "", 0},
		"local in a string": {"select set_config('app.tenant', $$a', true)$$, false)", nil, "select left(current_setting('app.tenant', true), 1)", "a", "", 0},
		"column":            {"select set_config(name, 'a', false) from (values ('app.tenant')) pg_settings (name) where name > 'a'", nil, tenant, "a", "", 1},
		"view":              {"select set_config(name, 'a', false) from (values ('app.tenant')) v (name)", nil, tenant, "a", "", 1},
		"local":             {"select set_config('app.tenant', 'a', true)", nil, tenant, "", "", 0},
	} {
		for _, form := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement} {
			if len(c.args) > 0 && form == pgx.QueryExecModeSimpleProtocol {
				continue // the driver writes the values into the text
			}
			t.Run(name+"/"+form.String(), func(t *testing.T) {
				t.Parallel()
				g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
				one, other := g.connect(t), g.connect(t)
				if _, err := one.Exec(bounded(t), c.set, append([]any{form}, c.args...)...); err != nil {
					t.Fatal(err)
				}
				g.pins(t, c.pins)
				for range 2 {
					if got := answers(t, other, c.find); got != c.other {
						t.Errorf("the other client finds %q, want %q", got, c.other)
					}
					if got := answers(t, one, c.find); got != c.mine {
						t.Errorf("the client finds %q, want %q", got, c.mine)
					}
				}
			})
		}
	}
}
