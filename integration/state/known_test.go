// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"slices"
	"strings"
	"testing"
)

// known is one way in which sessions through weir are not PostgreSQL's own.
type known struct {
	name   string
	why    string
	pool   int
	params []map[string]string
	steps  []step // that show it

	// avoided reports whether a step could show it, so that made-up scripts
	// leave it out; nil where they cannot.
	avoided func(text string) bool
}

// differences is all that are known. One that is gone fails, so that this list
// is true.
var differences = []known{
	{
		name: "SET TRANSACTION after RESET of a list", why: "a list that the client wrote at login in another way than SET would takes a query to give back, after which it is too late for a SET TRANSACTION in another message",
		pool: 1, params: []map[string]string{{"search_path": "public,pg_catalog"}},
		steps: []step{{text: "begin"}, {text: "reset search_path"}, {text: "set transaction isolation level serializable"}},
	},
	{
		name: "LOAD and DISCARD ALL", why: "PostgreSQL keeps the library, weir lets go of the connection that has it",
		pool: 1, params: make([]map[string]string, 1),
		steps: []step{{text: "load 'auto_explain'"}, {text: "discard all"}, {text: "show auto_explain.log_analyze"}},
	},
	{
		name: "RESET by a routine", why: "the upstream reports its own default first, and weir the client's behind it",
		pool: 1, params: []map[string]string{{"datestyle": "German"}},
		steps:   []step{{text: "do $$begin reset datestyle; end$$"}},
		avoided: func(text string) bool { return mentions(text, "do ", "_dyn(") && mentions(text, "reset all") },
	},
	{
		name: "a program's setting exists for others", why: "PostgreSQL keeps the name in the backend for good; its value is gone",
		pool: 1, params: make([]map[string]string, 2),
		steps: []step{{text: "set app.tenant = 'one'"}, {who: 1, text: "select current_setting('app.tenant', true)"}},
		avoided: func(text string) bool {
			return mentions(text, "show app.") || mentions(text, "current_setting('app.") && !mentions(text, "coalesce")
		},
	},
}

// unlike are the scripts of the folder that show a known difference, by name or
// by name and form.
var unlike = map[string]string{}

// alike compares answers. Two differences are left in them, because statements
// are shared: weir answers the Parse of a text that it knows from memory, so that
// an error of its analysis comes after ParseComplete; and it may have to send a
// Parse in front of a Bind, which a failed block refuses whatever else is wrong. A
// third is that a backend keeps its temporary schema, empty, for good: what is not in
// it is missed for another reason than where there is no schema, and it is in the
// list of those in use.
func alike(got, want []string) bool {
	for len(got) > 0 && len(want) > 0 {
		switch {
		case got[0] == want[0], fails(got[0], "25P02") && fails(want[0], ""):
			got, want = got[1:], want[1:]
		case lacksTemporary(want[0], got[0]), lacksTemporary(got[0], want[0]), usesAlike(got[0], want[0]):
			got, want = got[1:], want[1:]
		case got[0] == parsed && fails(want[0], "42"):
			got = got[1:]
		default:
			return false
		}
	}
	return len(got) == 0 && len(want) == 0
}

// lacksTemporary reports whether something temporary is missing for two reasons: one
// backend has no temporary schema at all, the other has had something in it, be it of
// another client's.
func lacksTemporary(one, other string) bool {
	return fails(one, "3F000") && strings.Contains(one, "pg_temp") && fails(other, "42")
}

// usesAlike reports whether two lists of the schemas in use (current_schemas) are the
// same but for the temporary one.
func usesAlike(one, other string) bool {
	without := strings.NewReplacer("{pg_temp_N}", "{}", "{pg_temp_N,", "{", ",pg_temp_N", "")
	return strings.HasPrefix(one, `{"Type":"DataRow"`) && without.Replace(one) == without.Replace(other)
}

// undefinedValue reports whether a line says that there is no value of lastval or
// currval. Through weir that may be said where PostgreSQL has one: the promise is the
// client's own value or this error, never another's value.
func undefinedValue(line string) bool {
	return fails(line, "55000") && strings.Contains(line, "is not yet defined in this session")
}

const parsed = `{"Type":"ParseComplete"}`

// fails reports whether a line is an error with a code that begins so.
func fails(line, code string) bool {
	return strings.HasPrefix(line, `{"Type":"ErrorResponse"`) && strings.Contains(line, `"Code":"`+code)
}

func mentions(text string, words ...string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// avoid reports whether a step could show a known difference.
func avoid(text string) bool {
	return slices.ContainsFunc(differences, func(k known) bool { return k.avoided != nil && k.avoided(text) })
}

func TestKnownDifferencesAreStillThere(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	for _, k := range differences {
		s := invented{pool: k.pool, params: k.params, steps: k.steps, known: true}
		if d := s.play(t, g); d == nil {
			t.Errorf("%q is the same on both sides, but is listed as different: %s", k.name, k.why)
		}
	}
}
