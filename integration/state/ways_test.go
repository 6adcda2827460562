// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"flag"
	"slices"
	"strings"
	"testing"
)

// way is one way of leaving something behind in a session, or of looking for it:
// what makes up a step, or several with a line each, and how often.
type way struct {
	name   string
	weight int
	text   func(m maker, who int) string

	// waits says for which behaviour of weir's the way waits, which made-up scripts
	// leave out until then; "" where it is to be as with PostgreSQL.
	waits string
}

// ways are all that are known. To add one is to add a line, and a function.
var ways = []way{
	{name: "settings", weight: 30, text: maker.setting},
	{name: "roles", weight: 5, text: maker.role},
	{name: "looks", weight: 14, text: maker.look},
	{name: "blocks", weight: 28, text: maker.block},
	{name: "rows", weight: 14, text: maker.row},
	{name: "errors", weight: 4, text: maker.mistake},
	{name: "prepare", weight: 8, text: maker.prepare},
	{name: "statements", weight: 14, text: maker.statement},
	{name: "portals", weight: 8, text: maker.portal},
	{name: "cursors", weight: 6, text: maker.cursor},
	{name: "temporary", weight: 8, text: maker.temporary},
	{name: "locks", weight: 8, text: maker.lock},
	{name: "listen", weight: 7, text: maker.listen},
	{name: "copy", weight: 5, text: maker.copy},
	{name: "sequences", weight: 4, text: maker.sequence},
	{name: "discard", weight: 3, text: maker.discard},
	{name: "several", weight: 8, text: maker.several},
	{name: "quit", weight: 3, text: func(maker, int) string { return quit }},

	{name: "anything", weight: 8, text: maker.anySetting},
	{name: "everything", weight: 4, text: maker.everything},
	{name: "sizes", weight: 3, text: maker.size},
	{name: "forms", weight: 6, text: maker.form},
	{name: "call", weight: 3, text: maker.call},
	{name: "do", weight: 6, text: maker.do},
	{name: "functions", weight: 8, text: maker.function},
	{name: "unseen", weight: 4, text: maker.unseen},
	{name: "strings", weight: 5, text: maker.quoting},
	{name: "encodings", weight: 5, text: maker.encoding},
	{name: "path", weight: 6, text: maker.path},
	{name: "namespace", weight: 8, text: maker.namespace},
	{name: "two phases", weight: 3, text: maker.twoPhases},
	{name: "groups", weight: 4, text: maker.failingGroup},
	{name: "limits", weight: 3, text: maker.timeLimit},
	{name: "identity", weight: 5, text: maker.identity},
	{name: "savepoints", weight: 6, text: maker.savepoint},
	{name: "numbers", weight: 4, text: maker.number},
	{name: "made by SQL", weight: 4, text: maker.cursorsUnseen},
	{name: "meaning", weight: 6, text: maker.meaning},
}

var trying = flag.String("with", "", "ways to try although they wait for something, between commas; all is each of them")

// inUse returns the ways of which scripts are made: those that wait for nothing, and
// those that the flag names, which come often.
func inUse() (list []way) {
	for _, w := range ways {
		switch {
		case w.waits != "" && !tried(w.name):
			continue
		case *trying != "all" && tried(w.name):
			w.weight *= 8
		}
		list = append(list, w)
	}
	return list
}

// tried reports whether a way is tried although it may wait for something.
func tried(name string) bool {
	return *trying == "all" || slices.Contains(strings.Split(*trying, ","), name)
}

// TestWaysAreNamed keeps the flag's names and the table one.
func TestWaysAreNamed(t *testing.T) {
	t.Parallel()
	known := []string{"", "all"}
	for _, w := range ways {
		if slices.Contains(known, w.name) || strings.Contains(w.name, ",") {
			t.Errorf("%q cannot be told from another way", w.name)
		}
		known = append(known, w.name)
	}
	for name := range strings.SplitSeq(*trying, ",") {
		if !slices.Contains(known, name) {
			t.Errorf("-with=%s: there is no such way", name)
		}
	}
}
