// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// misread are texts that say something else than they seem to where a backslash in
// a plain string is an escape, or where the second byte of a character is one.
var misread = map[string]struct {
	database    string // what its role begins with there, "" for nothing
	before      string // one statement of the client's, "" for none
	text        string // each sets what find asks for
	find        string
	mine, other string
	simple      bool // it is several statements
}{
	"escaped quote": {
		before: "set standard_conforming_strings = off",
		text:   `select 'it\'s', set_config('work_mem', '7MB', false) --'`,
		find:   "show work_mem", mine: "7MB", other: "4MB",
	},
	"escaped quote, several statements": {
		before: "set standard_conforming_strings = off",
		text:   `select 'it\'s'; set role pg_monitor; --'`,
		find:   "select current_user::text", mine: "pg_monitor", other: "postgres", simple: true,
	},
	"escaped quote in a block": {
		before: "set standard_conforming_strings = off",
		text:   `begin; select 'it\'s', set_config('app.tenant', 'a', false); commit; --'`,
		find:   "select coalesce(current_setting('app.tenant', true), '')", mine: "a", other: "", simple: true,
	},
	"national string": {
		before: "set standard_conforming_strings = off",
		text:   `select n'it\'s', set_config('work_mem', '7MB', false) --'`,
		find:   "show work_mem", mine: "7MB", other: "4MB",
	},
	"by role and database": {
		database: "set standard_conforming_strings = off",
		text:     `select 'it\'s', set_config('work_mem', '7MB', false) --'`,
		find:     "show work_mem", mine: "7MB", other: "4MB",
	},
	"temporary table": {
		before: "set standard_conforming_strings = off",
		text:   `create table pg_temp.t as select 'it\'s'; select 1 --'`,
		find:   "select coalesce(to_regclass('pg_temp.t')::text, '')", mine: "t", other: "", simple: true,
	},
	"SJIS": {
		before: "set client_encoding = 'sjis'",
		text:   "select e'\x95\x5c', set_config('work_mem', '7MB', false) --'",
		find:   "show work_mem", mine: "7MB", other: "4MB",
	},
	"SJIS, several statements": {
		before: "set names 'Shift_JIS'",
		text:   "select e'\x95\x5c'; set work_mem = '7MB'; --'",
		find:   "show work_mem", mine: "7MB", other: "4MB", simple: true,
	},
	"SJIS, after a backslash": {
		before: "set names 'sjis'",
		text:   "select e'\\\x95\x5c', set_config('work_mem', '7MB', false) --'",
		find:   "show work_mem", mine: "7MB", other: "4MB",
	},
	"SJIS by role": {
		database: "set client_encoding = sjis",
		text:     "select e'\x95\x5c', set_config('work_mem', '7MB', false) --'",
		find:     "show work_mem", mine: "7MB", other: "4MB",
	},
	"Big5": {
		before: "set client_encoding = 'big5'",
		text:   "select e'\xa5\x5c', set_config('work_mem', '7MB', false) --'",
		find:   "show work_mem", mine: "7MB", other: "4MB",
	},
	"GBK": {
		before: "set client_encoding = 'gbk'",
		text:   "select e'\x85\x5c', set_config('work_mem', '7MB', false) --'",
		find:   "show work_mem", mine: "7MB", other: "4MB",
	},
	"Shift JIS 2004": {
		before: "set client_encoding = 'shift_jis_2004'",
		text:   "select e'\x95\x5c', set_config('work_mem', '7MB', false) --'",
		find:   "show work_mem", mine: "7MB", other: "4MB",
	},
	"GB18030": {
		before: "set client_encoding = 'gb18030'",
		text:   "select e'\x85\x5c', set_config('work_mem', '7MB', false) --'",
		find:   "show work_mem", mine: "7MB", other: "4MB",
	},
}

// What a text does is what PostgreSQL takes it for, which depends on settings and
// on the client's encoding, wherever they come from. What weir cannot read for
// certain keeps the connection for its client.
func TestTextsThatReadOtherwiseLeakNothing(t *testing.T) {
	t.Parallel()
	common := database(t)
	for name, c := range misread {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := common
			if c.database != "" {
				url = database(t)
				testpg.Exec(t, url, "do $$ begin execute format('alter role postgres in database %I "+c.database+"', current_database()); end $$")
			}
			for form, run := range forms {
				if c.simple && form != "simple" || form == "one text" {
					continue
				}
				g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
				one, other := g.connect(t), g.connect(t)
				if c.before != "" {
					run(t, one, c.before)
				}
				run(t, one, c.text)
				for range 2 {
					if got := answers(t, other, c.find); got != c.other {
						t.Errorf("%s: the other client finds %q, want %q", form, got, c.other)
					}
					if got := answers(t, one, c.find); got != c.mine {
						t.Errorf("%s: the client finds %q, want %q", form, got, c.mine)
					}
				}
			}
		})
	}
}
