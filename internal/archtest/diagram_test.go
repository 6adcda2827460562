// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the diagram of the packages into docs/architecture.md")

// aside are the packages that the diagram leaves out: no part of the product needs them.
var aside = []string{"bench", "internal/archtest", "internal/faultproxy", "internal/testpg"}

const (
	diagramBegins = "<!-- the diagram is made by go test ./internal/archtest -update -->\n"
	diagramEnds   = "<!-- the diagram ends -->\n"
)

// diagram draws the arrows for mermaid. An arrow is left out where a longer way leads to
// the same package, so that a reader sees the floors.
func diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nflowchart TD\n")
	for _, dir := range slices.Sorted(maps.Keys(arrows)) {
		if slices.Contains(aside, dir) {
			continue
		}
		var drawn []string
		for _, imported := range arrows[dir] {
			longer := func(other string) bool { return other != imported && reaches(other, imported) }
			if !slices.ContainsFunc(arrows[dir], longer) {
				drawn = append(drawn, node(imported))
			}
		}
		if len(drawn) > 0 {
			slices.Sort(drawn)
			fmt.Fprintf(&b, "    %s --> %s\n", node(dir), strings.Join(drawn, " & "))
		}
	}
	b.WriteString("```\n")
	return b.String()
}

// node names a package in the diagram.
func node(dir string) string {
	if dir == "." {
		return "weir"
	}
	id := strings.NewReplacer("/", "_").Replace(strings.TrimPrefix(dir, "internal/"))
	if label := strings.TrimPrefix(dir, "internal/"); label != id {
		return id + `["` + label + `"]`
	}
	return id
}

func TestTheDiagramShowsTheArrows(t *testing.T) {
	t.Parallel()
	name := filepath.Join(root, "docs", "architecture.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := bytes.Cut(text, []byte(diagramBegins))
	old, after, ends := bytes.Cut(rest, []byte(diagramEnds))
	if !begins || !ends {
		t.Fatalf("%s does not say where the diagram begins and ends", name)
	}
	want := "\n" + diagram() + "\n"
	if string(old) == want {
		return
	}
	if !*update {
		t.Fatalf("the diagram in %s is not that of the arrows; run go test ./internal/archtest -update", name)
	}
	text = slices.Concat(before, []byte(diagramBegins), []byte(want), []byte(diagramEnds), after)
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
