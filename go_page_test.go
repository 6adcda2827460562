// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// goBlock is a block of Go code in a page, indented or not.
var goBlock = regexp.MustCompile("(?ms)^ *```go\n(.*?)^ *```")

// TestCodeOnTheGoPageRuns looks for each piece of code on the page, which an empty
// line ends, in what the tests compile and run.
func TestCodeOnTheGoPageRuns(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/go.md")
	if err != nil {
		t.Fatal(err)
	}
	code := exampleCode(t)
	pieces := 0
	for _, block := range goBlock.FindAllStringSubmatch(string(page), -1) {
		for piece := range strings.SplitSeq(block[1], "\n\n") {
			pieces++
			if !strings.Contains(code, unindented(piece)) {
				t.Errorf("no example has this:\n%s", piece)
			}
		}
	}
	if pieces < 15 {
		t.Errorf("only %d pieces of code found", pieces)
	}
}

// exampleCode is all examples, the package's and those that are programs.
func exampleCode(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("example*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("examples", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && entry.Name() == "node_modules" {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".go" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(unindented(string(text)))
	}
	return all.String()
}

// unindented is code without the white space at the beginning of lines, and
// without empty ones.
func unindented(code string) string {
	var lines strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			lines.WriteString(line + "\n")
		}
	}
	return lines.String()
}
