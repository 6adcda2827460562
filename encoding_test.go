// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"
)

// A value that is not ASCII is its client's in every encoding, also where the second
// byte of a character looks like a backslash or a letter.
func TestValuesInEveryEncodingFollowTheirClient(t *testing.T) {
	t.Parallel()
	url := database(t)
	g, direct := open(t, url, poolOf(1)), &gateway{upstream: url}
	const shown = "select coalesce(current_setting('app.v', true), ''), convert_to(coalesce(current_setting('app.v', true), ''), 'UTF8'), current_setting('search_path'), current_setting('work_mem')"
	const foreign = "select coalesce(current_setting('app.v', true), '') || current_setting('search_path') || current_setting('work_mem')"
	for name, statements := range map[string][]string{
		"SJIS":             {"set app.v = '\x95\x5c'"},
		"SJIS, set_config": {"select set_config('app.v', 'a\x83\x5c''', false)"},
		"BIG5":             {"set app.v = 'x\xa5\x5c'", "set search_path = 'a', '\xa5\x5c'"},
		"GBK":              {"set app.v = '\xd5\x5c\\'"},
		"LATIN1":           {"set app.v = '\xe9''\\'", "set search_path = '\xe9', a"},
		"UTF8":             {"set app.v = 'é\\'", "set search_path = 'ä b', a"},
		"EUC_JP":           {"set app.v = '\xc9\xbd'"},
		"changes":          {"set client_encoding = 'SJIS'", "set app.v = '\x95\x5c'", "set client_encoding = 'UTF8'", "set work_mem = '7MB'", "set names 'EUC_JP'", "begin; set client_encoding = 'SJIS'; commit", "reset client_encoding"},
		"no such there":    {"set app.v = '表'", "set client_encoding = 'LATIN1'", "set client_encoding = 'SJIS'", "set work_mem = '7MB'"},
		"discards":         {"set client_encoding = 'SJIS'; set app.v = 'x'", "set app.v = '\x95\x5c'", "discard all", "set app.v = 'é'"},
	} {
		t.Run(name, func(t *testing.T) {
			var params []string
			if encoding, _, _ := strings.Cut(name, ","); strings.ToUpper(encoding) == encoding {
				params = []string{"client_encoding=" + encoding}
			}
			alone, one := direct.settler(t, url, params...), g.settler(t, g.url(), params...)
			others := []*settler{g.settler(t, g.url()), g.settler(t, g.url(), "client_encoding=SJIS")}
			for _, sql := range append(statements, "select 1", "set work_mem = '8MB'", "select 2") {
				if want, got := alone.say(t, sql), one.say(t, sql); got != want {
					t.Fatalf("%s: %s, directly %s", sql, got, want)
				}
				for _, other := range others {
					if name == "no such there" {
						break // the client keeps the connection while PostgreSQL cannot say the value
					}
					if got, want := other.say(t, foreign), "SELECT 1 \"\\\"$user\\\", public4MB\"\n"; got != want {
						t.Fatalf("after %q another client has %s", sql, got)
					}
				}
				if want, got := alone.say(t, shown), one.say(t, shown); got != want {
					t.Fatalf("after %q: %s, directly %s", sql, got, want)
				}
			}
			for _, s := range append(others, alone, one) {
				s.close(t)
			}
		})
	}
}
