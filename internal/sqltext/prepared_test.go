// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

func TestMentions(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 70)
	for text, want := range map[string][]string{
		"select 1":                            nil,
		"execute foobar":                      {"execute foobar"},
		`EXECUTE "Foo""Bar" (1, 'execute b')`: {`execute Foo"Bar`},
		"explain (verbose, format json) execute sqlx_s_1(NULL, NULL)":               {"execute sqlx_s_1"},
		"explain analyze execute S0":                                                {"execute s0"},
		"explain analyze verbose create table x as execute s1 (2)":                  {"execute s1"},
		"create temp table if not exists x as execute s2":                           {"execute s2"},
		"create table x as -- which\n execute/**/s3":                                {"execute s3"},
		"prepare p (int) as select $1; execute p(1); deallocate prepare p; execute": {"prepare p", "execute p", "deallocate p"},
		"deallocate x; select 5":                                                    {"deallocate x"},
		"deallocate all":                                                            nil,
		"grant execute on function f to public":                                     nil,
		"create trigger t before insert on x execute function f()":                  nil,
		"explain select execute from t":                                             {"execute from"}, // nobody's name
		"execute " + long:                                                           {"execute " + long[:63]},
		"execute " + long[:62] + "é":                                                {"execute " + long[:62]},
		`execute u&"\0053\+000030 ""\\é"; deallocate U&"s0"`:                        {`execute S0 "\é`, "deallocate s0"},
		`execute U&"!0053" uescape '!'; execute U&"\00e9"; execute U&"\005"`:        nil,
	} {
		var got []string
		for _, m := range sqltext.Mentions(text) {
			got = append(got, m.Kind.String()+" "+m.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
