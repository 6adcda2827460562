// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKnownDifferencesAreExplained checks that the document has a paragraph on
// every cause in the lists, and that each list can be read.
func TestKnownDifferencesAreExplained(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join("known", "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no lists of known differences: %v", err)
	}
	for _, path := range paths {
		list, err := readKnown(path)
		if err != nil {
			t.Error(err)
		}
		for _, k := range list {
			if !strings.Contains(string(text), "**"+k.cause+"**") {
				t.Errorf("%s: docs/compatibility.md does not explain the cause %q of %s", path, k.cause, k.name)
			}
		}
	}
}

func TestFailureIsKnownByNameOrByWhatItSays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "list.txt")
	text := "# a comment\n\nlisten pkg.TestListen\ntemp /relation \"\\w+\" already exists/\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := readKnown(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, output string
		fails        bool
	}{
		{"pkg.TestListen", "time-out", false},
		{"pkg.TestTable", `ERROR: relation "foo" already exists`, false},
		{"pkg.TestListenTwice", "time-out", true},
	} {
		err := compare(t.Output(), list, []result{{name: tt.name, outcome: failed, output: tt.output}})
		if got := err != nil; got != tt.fails {
			t.Errorf("%s %q: got error %v", tt.name, tt.output, err)
		}
	}
}

func TestUnreadableListIsRefused(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"lonely", "temp /(/"} {
		path := filepath.Join(t.TempDir(), "list.txt")
		if err := os.WriteFile(path, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readKnown(path); err == nil || !strings.Contains(err.Error(), path+":1: ") {
			t.Errorf("%q: got %v, want an error that names the line", line, err)
		}
	}
}
