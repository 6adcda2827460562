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
		name: "RESET reports the upstream's start", why: "being built",
		pool: 1, params: []map[string]string{{"timezone": "Asia/Tokyo"}},
		steps:   []step{{text: "reset time zone"}},
		avoided: func(text string) bool { return mentions(text, "reset ", "default", "discard all") },
	},
	{
		name: "UPDATE pg_settings", why: "being built",
		pool: 1, params: make([]map[string]string, 2),
		steps:   []step{{text: "update pg_settings set setting = '7168' where name = 'work_mem'"}, {who: 1, text: "show work_mem"}},
		avoided: func(text string) bool { return mentions(text, "update pg_settings") },
	},
	{
		name: "a program's setting exists for others", why: "PostgreSQL keeps the name in the backend for good; its value is gone",
		pool: 1, params: make([]map[string]string, 2),
		steps:   []step{{text: "set app.tenant = 'one'"}, {who: 1, text: "select current_setting('app.tenant', true)"}},
		avoided: func(text string) bool { return mentions(text, "app.") },
	},
}

// unlike are the scripts of the folder that show a known difference, by name or
// by name and form.
var unlike = map[string]string{
	"set-start":        "RESET reports the upstream's start",
	"set-start-inside": "RESET reports the upstream's start",
	"set-role-start":   "RESET reports the upstream's start",
	"set-many/simple":  "RESET reports the upstream's start",
	"set-catalog":      "UPDATE pg_settings",
	"load":             "DISCARD ALL does not unload a library",
}

// alike compares answers. One difference is left in them: weir answers the Parse
// of a text that it knows from memory, so that an error of its analysis comes
// after ParseComplete.
func alike(got, want []string) bool {
	const parsed = `{"Type":"ParseComplete"}`
	refused := len(want) > 0 && strings.HasPrefix(want[0], `{"Type":"ErrorResponse"`) && strings.Contains(want[0], `"Code":"42`)
	return slices.Equal(got, want) || refused && len(got) > 0 && got[0] == parsed && slices.Equal(got[1:], want)
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
