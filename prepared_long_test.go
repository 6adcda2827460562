// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"strings"
	"testing"
)

// TestNamesAreCutAsPostgreSQLCutsThem says the same to PostgreSQL and to weir with names
// of statements that are longer than PostgreSQL keeps them.
func TestNamesAreCutAsPostgreSQLCutsThem(t *testing.T) {
	t.Parallel()
	upstream := database(t)
	g := open(t, upstream, poolOf(2))
	long := func(n int) string { return strings.Repeat("a", n) }
	split := long(62) + "éz" // the 63rd byte is in the middle of a character
	for name, steps := range map[string][]string{
		"two that begin alike": {
			"parse " + long(63) + "X one", "parse " + long(63) + "Y two", "run " + long(63) + "Y", "run " + long(63) + "X", "run " + long(63), "run " + long(62),
			"describe " + long(63) + "Z", "close " + long(70), "run " + long(63) + "X", "parse " + long(63) + "Y two", "run " + long(63) + "X",
		},
		"Parse, and SQL": {
			"parse " + long(80) + " one", "execute " + long(80), "execute " + long(63), "run " + long(63), "run " + long(80), `execute "` + long(70) + `"`,
			"prepare " + long(63) + " as select 'sql'", "explain (costs off) execute " + long(90), "define e execute " + long(99), "describe e", "run e",
			"deallocate " + long(64), "run " + long(80), "execute " + long(80), "parse " + long(81) + " two", "execute " + long(82), "begin", "deallocate " + long(63), "rollback", "run " + long(80),
		},
		"PREPARE, and the protocol": {
			"prepare " + long(80) + " as select 'sql'", "run " + long(80), "run " + long(63), "parse " + long(64) + " one", "describe " + long(99), "close " + long(77), "run " + long(63), "execute " + long(63),
			"parse " + long(64) + " one", "execute " + long(63), "deallocate all", "run " + long(63),
		},
		"a failed block": {
			"parse " + long(80) + " one", "begin", "run " + long(64), "select 1/0", "run " + long(64), "close " + long(65), "rollback; execute " + long(63), "run " + long(64), "parse " + long(80) + " two",
			"begin", "select 1/0", "parse " + long(81) + " three", "rollback; execute " + long(90), "run " + long(80),
		},
		"a character is cut": {
			"parse " + split + " one", "run " + split, "run " + long(62) + "éy", "execute " + split, `execute "` + long(62) + "ü\"", "run " + long(62),
			"parse " + long(62) + " two", "execute " + split, "run " + long(62), "run " + split, "deallocate " + split, "run " + long(62), "run " + split, "parse " + long(62) + "éx three",
		},
		"what is no text": {
			"parse é one", "run é", "parse \xff one", "run \xff", "describe \xff", "close \xff", "begin", "run é", "parse \xe9 one", "parse s one", "rollback", "run é", "parse " + long(70) + "\xff one", "run " + long(70) + "\xff", "run " + long(63),
		},
		"a body": {
			"parse " + long(80) + " one", "do $$ begin execute 'deallocate " + long(70) + "'; end $$", "run " + long(63), "run " + long(80),
			"parse " + long(80) + " two", "do $$ begin execute 'execute " + long(63) + "'; end $$", "run " + long(80),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct, through := rawDirect(t, upstream), g.raw(t)
			for i, step := range steps {
				want, got := direct.named(t, step), through.named(t, step)
				if !slices.Equal(got, want) {
					t.Errorf("%q after %q: %q through weir, %q directly", step, steps[:i], got, want)
				}
			}
		})
	}
}
