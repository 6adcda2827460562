// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

var replayed = flag.String("script", "", "file with a script that a failure has printed, to run it again")

// TestReplay runs the script that the flag names. It takes a script as difference
// prints one; other lines are left out.
func TestReplay(t *testing.T) {
	t.Parallel()
	if *replayed == "" {
		t.Skip("-script names no file")
	}
	text, err := os.ReadFile(*replayed)
	if err != nil {
		t.Fatal(err)
	}
	s, err := read(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := s.play(t, newGroundAt(t, newServer(t))); d != nil {
		t.Error(d)
	}
}

// read reads a script of any number of clients.
func read(text string) (s invented, err error) {
	s.known = true // it is run as it stands
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		who, notStep := strconv.Atoi(word)
		switch {
		case word == "pool":
			if _, err := fmt.Sscanf(rest, "of %d", &s.pool); err != nil {
				return s, fmt.Errorf("%s: %w", line, err)
			}
		case word == "client":
			_, params, _ := strings.Cut(rest, ":")
			s.params = append(s.params, settings(params))
		case notStep == nil:
			s.steps = append(s.steps, readStep(who, rest))
		}
	}
	for _, step := range s.steps {
		if step.who >= len(s.params) {
			return s, fmt.Errorf("%s: there are %d clients", step, len(s.params))
		}
	}
	return s, nil
}

// readStep is the reverse of step.String.
func readStep(who int, text string) step {
	s := step{who: who}
	for _, f := range [...]form{simple, extended, prepared} {
		if rest, ok := strings.CutPrefix(text, f.String()+" "); ok {
			s.form, text = f, rest
		}
	}
	s.text = strings.TrimLeft(text, " ")
	if plain, err := strconv.Unquote(s.text); err == nil && strings.HasPrefix(s.text, `"`) {
		s.text = plain
	}
	return s
}

func TestScriptsAreReadAsTheyArePrinted(t *testing.T) {
	t.Parallel()
	d := &difference{
		what: "the answers differ", pool: 2, params: []map[string]string{{"work_mem": "9MB", "options": "-c datestyle=German"}, nil},
		trace: []step{{0, simple, "select 1"}, {1, prepared, "set app.tenant = '\x95\\'"}, {1, simple, `\parse - select 1 \sync`}, {0, extended, "  "}, {0, simple, quit}},
	}
	s, err := read(d.String())
	if err != nil {
		t.Fatal(err)
	}
	again := &difference{what: d.what, pool: s.pool, params: s.params, trace: s.steps}
	if got, want := again.String(), d.String(); got != want {
		t.Errorf("printed again it is\n%s\nbefore it was\n%s", got, want)
	}
}
