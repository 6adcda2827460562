// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"
)

// testLore is a little of what PostgreSQL tells.
var testLore = loreOf(map[string]string{
	"application_name": "free", "quote_all_identifiers": "free", "search_path": "free", "temp_tablespaces": "free", "timezone": "free", "work_mem": "free",
	"local_preload_libraries": "free", `"order`: "", `"user`: "",
}, noSettings)

func TestScriptTakesASessionFromSomeSettingsToOthers(t *testing.T) {
	t.Parallel()
	type m = map[string]string
	for name, c := range map[string]struct {
		from, to m
		want     string
		sure     bool
	}{
		"nothing":          {m{"work_mem": "1"}, m{"work_mem": "1"}, "", true},
		"one more":         {m{}, m{"work_mem": "1"}, "SET work_mem TO E'1';", true},
		"one less":         {m{"work_mem": "1"}, m{}, `RESET "work_mem";`, true},
		"another value":    {m{"a.b": "x", "work_mem": "1"}, m{"a.b": "x", "work_mem": "2"}, "SET work_mem TO E'2';", true},
		"several":          {m{"application_name": "a", "work_mem": "1"}, m{"timezone": "x", "work_mem": "2"}, `RESET "application_name";SET timezone TO E'x';SET work_mem TO E'2';`, true},
		"quotes":           {m{}, m{"application_name": `it's \`}, `SET application_name TO E'it''s \\';`, true},
		"made up":          {m{}, m{"a.b": "x"}, "SELECT pg_catalog.set_config( E'a.b', E'x',false);", false},
		"made up, less":    {m{"a.B": "x"}, m{}, `RESET "a"."B";`, false},
		"in the catalog":   {m{}, m{"temp_tablespaces": "x"}, "SELECT pg_catalog.set_config( E'temp_tablespaces', E'x',false);", false},
		"path":             {m{}, m{"search_path": `"$user", public`}, "SET search_path TO E'$user', E'public';", true},
		"path, empty":      {m{}, m{"search_path": ""}, "SELECT pg_catalog.set_config( E'search_path', E'',false);", true},
		"path, other form": {m{}, m{"search_path": "a,b"}, "SELECT pg_catalog.set_config( E'search_path', E'a,b',false);", true},
		"path, needless":   {m{}, m{"search_path": `"a", b`}, `SELECT pg_catalog.set_config( E'search_path', E'"a", b',false);`, true},
		"path, keyword":    {m{}, m{"search_path": `"order", orders`}, "SET search_path TO E'order', E'orders';", true},
		"path, bare word":  {m{}, m{"search_path": "user"}, "SELECT pg_catalog.set_config( E'search_path', E'user',false);", true},
		"path, all quoted": {m{"quote_all_identifiers": "on"}, m{"search_path": "a"}, `RESET "quote_all_identifiers";SELECT pg_catalog.set_config( E'search_path', E'a',false);`, true},
		"path, comma":      {m{}, m{"search_path": `"a, b"`}, `SELECT pg_catalog.set_config( E'search_path', E'"a, b"',false);`, true},
		"libraries":        {m{}, m{"local_preload_libraries": "a, b"}, "SELECT pg_catalog.set_config( E'local_preload_libraries', E'a, b',false);", true},
		"role": {
			m{"role": "x"},
			m{"role": "y", "session_authorization": "z", "work_mem": "1"},
			"RESET SESSION AUTHORIZATION;RESET ROLE;SET work_mem TO E'1';SELECT pg_catalog.set_config( E'session_authorization', E'z',false);SELECT pg_catalog.set_config( E'role', E'y',false);", false,
		},
		"unknown": {m{"": "unknown"}, m{"work_mem": "1"}, ownTransaction + "RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL;SET work_mem TO E'1';", false},
	} {
		got := testLore.replay(nil, settingsOf(c.from), settingsOf(c.to))
		if string(got.sql) != c.want || got.sure != c.sure {
			t.Errorf("%s: got %s, sure %v, want %s, %v", name, got.sql, got.sure, c.want, c.sure)
		}
	}
	var none *lore
	if got := none.replay(nil, noSettings, settingsOf(m{"work_mem": "1"})); got.sure {
		t.Error("a script is sure although PostgreSQL has told nothing")
	}
}

// PostgreSQL refuses SET TRANSACTION once a query has run, which SET is not.
func TestSettingsAreGivenBackWithoutAQuery(t *testing.T) {
	t.Parallel()
	start := settingsOf(map[string]string{"a.b": "it's", "role": "x", "search_path": `"$user", public`, "session_authorization": "y", "work_mem": "1"})
	for text, want := range map[string]string{
		"reset all; select 1":                    `reset all` + "\n;" + `SET "a"."b" TO E'it''s';SET "search_path" TO E'$user', E'public';SET "work_mem" TO E'1'; select 1`,
		"set local work_mem to default":          `set local work_mem to default` + "\n;" + `SET LOCAL "work_mem" TO E'1'`,
		"reset session authorization;reset role": `reset session authorization` + "\n;" + `SET "session_authorization" TO E'y';SET "role" TO E'x';reset role` + "\n;" + `SET "role" TO E'x'`,
		"reset lock_timeout":                     "",
	} {
		got, added := effectOf([]byte(text), 0).followed([]byte(text), testLore, start)
		if string(got) != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		statements := 0
		if added != nil {
			for range strings.Count(text, ";") + 1 + strings.Count(want, "SET ") {
				if added.next() {
					statements++
				}
				added.ended()
			}
		}
		if statements != strings.Count(want, "SET ") {
			t.Errorf("%s: %d answers are weir's own, want %d", text, statements, strings.Count(want, "SET "))
		}
	}
	odd := settingsOf(map[string]string{"search_path": "a,b"})
	text := "reset search_path"
	if got, _ := effectOf([]byte(text), 0).followed([]byte(text), testLore, odd); string(got) != text+"\n;SELECT pg_catalog.set_config( E'search_path', E'a,b',false)" {
		t.Errorf("a list in another form is given back by %s", got)
	}
}

func TestOnlyWhatLastsIsAskedFor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]effect{
		"select set_config('a.b', 'x', true)":                                  {},
		"SELECT pg_catalog.set_config($1, $2, TRUE), set_config($3,$4, 't')":   {},
		"select set_config('a.b', f('x, y'), true) from t where n = 'it''s'":   {},
		"select set_config('a.b', 'x', false)":                                 {sets: true, touches: true, hidden: []string{"a.b"}},
		"select set_config('work_mem', 'x', $1)":                               {sets: true, touches: true},
		"select set_config('a.b', 'x', true), set_config('c.d', 'y', false)":   {sets: true, touches: true, hidden: []string{"c.d"}},
		`select set_config('a.b', E'\', true) --', false)`:                     {sets: true, touches: true, hidden: []string{"a.b"}},
		"select set_config('a.b', 'x' /* ', true) */, false)":                  {sets: true, touches: true, hidden: []string{"a.b"}},
		"select set_config('a.b', $$', true)$$, false)":                        {sets: true, touches: true, hidden: []string{"a.b"}},
		"select set_config/**/('a.b', 'x', false)":                             {sets: true, touches: true, hidden: []string{"a.b"}},
		"select set_config(n, '7MB', true) from t":                             {},
		"select set_config(n, '-.5', true) from t":                             {pins: functions},
		"select set_config('se' || $1, $2, true)":                              {pins: functions},
		"select set_config('app.' || $1, $2, true)":                            {},
		"select set_config($1, 'x', false)":                                    {sets: true, touches: true, pins: parameters},
		"set local work_mem = 1":                                               {},
		"set work_mem = 1":                                                     {sets: true, touches: true},
		"set timezone = 'UTC'":                                                 {sets: true},
		"reset timezone":                                                       {sets: true},
		"set session characteristics as transaction read only":                 {sets: true, touches: true},
		"set session authorization 'x'":                                        {sets: true, touches: true, hidden: []string{"session_authorization"}},
		"UPDATE pg_settings SET setting = '1' WHERE name = 'work_mem'":         {sets: true, touches: true},
		"update t set n = 1":                                                   {},
		"with a as (select 1) update pg_catalog.pg_settings set setting = 'x'": {sets: true, touches: true},
		"do $$ begin perform set_config('work_mem', '1', false); end $$":       {sets: true, touches: true, pins: opaque},
	} {
		got := effectOf([]byte(text), 0)
		got.kinds = 0
		if got.sets != want.sets || got.touches != want.touches || got.pins != want.pins || len(got.hidden) != len(want.hidden) || len(want.hidden) > 0 && got.hidden[0] != want.hidden[0] {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}
