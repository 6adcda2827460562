// SPDX-License-Identifier: Apache-2.0

package sqlstate_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var declared = regexp.MustCompile(`(?m)^\t(\w+)\s+(?:Code|Marker) = "(\w+)"`)

// What a client may get from weir is explained where its user will look.
func TestDocsExplainEveryCodeAndMarker(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("sqlstate.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := declared.FindAllStringSubmatch(string(source), -1)
	if len(codes) < 30 {
		t.Fatalf("found only %d codes and markers", len(codes))
	}
	for _, c := range codes {
		if !strings.Contains(string(page), c[2]) {
			t.Errorf("docs/errors.md does not mention %s (%s)", c[2], c[1])
		}
	}
}
