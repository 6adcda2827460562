// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"fmt"
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

func TestTargetsOfSignals(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"select pg_cancel_backend(17)":                                "cancel 17 true",
		"select pg_terminate_backend ( 17, 5000 )":                    "terminate 17 true",
		`SELECT PG_CATALOG."pg_cancel_backend"(/**/17::int)`:          "cancel 17 true",
		"select pg_cancel_backend('17')":                              "cancel 17 true",
		"select pg_cancel_backend(pid => 17)":                         "cancel 17 true",
		"select pg_terminate_backend(pid := $2, timeout := 1)":        "terminate $2 true",
		"select pg_cancel_backend($1)":                                "cancel $1 true",
		"select pg_cancel_backend($1::integer), pg_cancel_backend(4)": "cancel $1 cancel 4 true",
		"with a as (select pg_cancel_backend(17)) select * from a":    "cancel 17 true",
		"select pg_terminate_backend(pid) from pg_stat_activity":      "terminate column true",
		"select pg_terminate_backend(a.pid) from pg_stat_activity a":  "terminate column true",
		"select pg_terminate_backend(a.id) from a":                    "terminate ? true",
		"select pg_terminate_backend(pid + 1) from a":                 "terminate ? true",
		"select pg_cancel_backend(17 + 1)":                            "cancel ? true",
		"select pg_cancel_backend(e'17')":                             "cancel ? true",
		"select pg_cancel_backend(99999999999)":                       "cancel ? true",
		"select pg_cancel_backend((select 1))":                        "cancel ? true",
		"prepare p as select pg_cancel_backend(17)":                   "cancel 17 false",
		"create view v as select pg_cancel_backend(17)":               "cancel 17 false",
		"do $$ begin perform pg_cancel_backend(17); end $$":           "false",
		"select 'pg_cancel_backend(17)', pg_cancel_backend from a":    "true",
		"begin; select pg_cancel_backend(17); commit":                 "cancel 17 true",
		"select pg_cancel_backend(17); declare c cursor for select 1": "cancel 17 false",
	} {
		targets, now := sqltext.Targets(text)
		got := ""
		for _, target := range targets {
			verb, what := "cancel", "?"
			if target.Terminate {
				verb = "terminate"
			}
			switch {
			case target.ID != 0:
				what = fmt.Sprint(target.ID)
				if text[target.Start:target.End] != what {
					t.Errorf("%q: the digits are said to be %q", text, text[target.Start:target.End])
				}
			case target.Param != 0:
				what = fmt.Sprintf("$%d", target.Param)
			case target.Column:
				what = "column"
			}
			got += verb + " " + what + " "
		}
		if got += fmt.Sprint(now); got != want {
			t.Errorf("Targets(%q) = %q, want %q", text, got, want)
		}
	}
}
