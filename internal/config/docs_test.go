// SPDX-License-Identifier: Apache-2.0

package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The documentation lists the settings as they are. With -update the test
// writes them there.
func TestDocsListTheSettings(t *testing.T) {
	t.Parallel()
	const path = "../../docs/configuration.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, string(page), "settings", settingsTable())
	want = between(t, want, "tables", innerTable("databases", databaseSettings)+"\n"+innerTable("users", userSettings))
	// The flag is load_test.go's; both packages make one test binary.
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Errorf("%s differs from the settings: run go test ./internal/config -run Docs -update", path)
	}
}

// between replaces what is between two marks in a page.
func between(t *testing.T, page, mark, text string) string {
	t.Helper()
	before, rest, begins := strings.Cut(page, "<!-- "+mark+" -->\n")
	_, after, ends := strings.Cut(rest, "<!-- /"+mark+" -->\n")
	if !begins || !ends {
		t.Fatalf("no marks for %s", mark)
	}
	return before + "<!-- " + mark + " -->\n" + text + "<!-- /" + mark + " -->\n" + after
}

func settingsTable() string {
	var b strings.Builder
	b.WriteString("| weir.toml | variable | default | kind | meaning |\n|---|---|---|---|---|\n")
	for _, s := range settings {
		preset := "none"
		if s.preset != "" {
			preset = "`" + s.preset + "`"
		}
		help := s.help
		if s.fixed {
			help += " (*restart*)"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n",
			s.key, strings.Join(s.variables(), "`, `"), preset, kindCell(s.kind()), help)
	}
	return b.String()
}

func innerTable[C any](section string, rows []setting[C]) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| in `[%s.NAME]` | kind | meaning |\n|---|---|---|\n", section)
	for _, s := range rows {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.key, kindCell(s.kind()), s.help)
	}
	return b.String()
}

// kindCell is a kind whose words do not end a table's cell.
func kindCell(kind string) string { return strings.ReplaceAll(kind, "|", ", ") }
