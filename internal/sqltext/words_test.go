// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

func TestWordsAreNamesAsPostgreSQLKeepsThem(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                         nil,
		"SELECT Foo, 'bar' /* baz */ -- qux":       {"select", "foo"},
		`select "Foo""x".f(1) + $tag$ a $tag$`:     {"select", `Foo"x`, "f"},
		"select a, A from a":                       {"select", "a", "from"},
		"select e'x\\'' as é":                      {"select", "as", "é"},
		"select " + strings.Repeat("a", 70):        {"select", strings.Repeat("a", 63)},
		`select "` + strings.Repeat("é", 31) + `"`: {"select", strings.Repeat("é", 31)},
	} {
		got, ok := sqltext.Words(text)
		if !ok || !slices.Equal(got, want) {
			t.Errorf("Words(%q) = %q, %t; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{"select " + strings.Repeat("a", 63) + "£()", `select "` + strings.Repeat("é", 32) + `"()`, `select U&"d\0061t\+000061"()`, "select 'open", `select "open`, "select 1 /* open"} {
		if got, ok := sqltext.Words(text); ok {
			t.Errorf("Words(%q) = %q, which nobody can know", text, got)
		}
	}
}
