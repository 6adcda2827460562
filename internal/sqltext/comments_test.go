// SPDX-License-Identifier: Apache-2.0

package sqltext

import "testing"

func TestCommentsAreLeftOut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"select 1":                      "",
		"select 1 /* trace=00-ab */":    "select 1 /**/",
		"/* a /* b */ c */ select 1":    "/**/ select 1",
		"select 1 -- trace\n+ 2":        "select 1 --\n+ 2",
		"select 1 -- trace\r+ 2":        "select 1 --\r+ 2",
		"select 1--":                    "select 1--",
		"select '/* a */', \"--b\" --c": "select '/* a */', \"--b\" --",
		"select 'it''s -- a' /* b */":   "select 'it''s -- a' /**/",
		"select $1, $12 /* a */":        "select $1, $12 /**/",
		"select 2*/* a */3":             "select 2*/**/3",

		// These stay.
		"/*+ SeqScan(t) */ select 1 /* a */":  "/*+ SeqScan(t) */ select 1 /**/",
		"/* weir: cache=1s */ select 1 /*b*/": "/* weir: cache=1s */ select 1 /**/",
		"/*weir:cache=1s*/ select 1":          "/*weir:cache=1s*/ select 1",
		"select 'a\\' /* b */":                "",
		"select e'a\\'/*' /* b */":            "",
		"select $$/* a */$$":                  "",
		"select $a$/* a */$a$":                "",
		"select $é$/* a */$é$ /* b */":        "",
		"select '/* a */":                     "",
		"select \"/* a */":                    "",
		"select 1 /* a":                       "",
		"select 1 /* a /* b */":               "",
		"select 1 - -1, 2 / 3 * 4":            "",
	} {
		got, ok := AppendWithoutComments(nil, []byte(text))
		if ok != (want != "") || ok && string(got) != want {
			t.Errorf("%q: got %q, %t, want %q", text, got, ok, want)
		}
	}
}

// What is left says the same, as far as this package reads it, and there is
// nothing more to leave out.
func FuzzWithoutComments(f *testing.F) {
	for _, text := range []string{"select 1 /* a */", "-- a\nselect 'b--' /*c*/", "/*+ a */ set role /**/ b", "select \"a\"--b", "'a'/*\n*/'b'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := AppendWithoutComments(nil, []byte(text))
		if !ok {
			return
		}
		before, after := Scan([]byte(text)), Scan(got)
		if before.Kinds != after.Kinds || before.Count != after.Count || before.Flags != after.Flags {
			t.Errorf("%q is %+v, %q is %+v", text, before, got, after)
		}
		if again, ok := AppendWithoutComments(nil, got); ok && string(again) != string(got) {
			t.Errorf("%q, then %q", got, again)
		}
	})
}
