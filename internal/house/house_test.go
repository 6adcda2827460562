// SPDX-License-Identifier: Apache-2.0

// Package house checks what the whole source keeps to: who imports whom, that
// every package says what it is, and that every file names its licence.
package house

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module  = "github.com/weir-pg/weir"
	licence = "SPDX-License-Identifier: Apache-2.0"
)

// arrows lists what each package of weir may import of weir. An import may go
// down only; docs/architecture.md explains the floors.
var arrows = map[string][]string{
	// Values and bytes. They know nothing else.
	"internal/sqlstate": {},
	"internal/wire":     {"internal/sqlstate"},

	// Leaves: one subject each, used by the floors above.
	"internal/auth":     {"internal/sqlstate", "internal/wire"},
	"internal/config":   {"internal/sqlstate", "internal/wire"},
	"internal/observe":  {"internal/sqlstate", "internal/wire"},
	"internal/pgserver": {"internal/sqlstate", "internal/wire"},
	"internal/sqltext":  {"internal/sqlstate", "internal/wire"},
	"internal/routine":  {"internal/sqltext"},

	// The life of a connection, floor by floor.
	"internal/loop":     {"internal/sqlstate", "internal/wire"},
	"internal/upstream": {"internal/sqlstate", "internal/wire", "internal/auth", "internal/loop"},
	"internal/listen":   {"internal/sqlstate", "internal/wire", "internal/upstream"},
	"internal/pool":     {"internal/sqlstate", "internal/loop", "internal/upstream"},
	"internal/session": {
		"internal/sqlstate", "internal/wire", "internal/auth", "internal/config", "internal/observe", "internal/sqltext",
		"internal/loop", "internal/upstream", "internal/pool", "internal/listen", "internal/routine",
	},

	// What reads snapshots.
	"internal/web": {"internal/observe"},

	// The product, the programs and the tests' tools.
	".": {
		"internal/sqlstate", "internal/wire", "internal/auth", "internal/config", "internal/observe",
		"internal/sqltext", "internal/loop", "internal/upstream", "internal/pool", "internal/session", "internal/web",
	},
	"cmd/weir":            {".", "internal/audit", "internal/config", "internal/pgserver"},
	"bench":               {".", "internal/pgserver"},
	"internal/audit":      {"internal/session", "internal/sqlstate"},
	"internal/testpg":     {"internal/pgserver"},
	"internal/faultproxy": {"internal/wire"},
	"internal/house":      {},
}

// goFile is one source file of weir.
type goFile struct {
	path string // from the root, with slashes
	text []byte
	ast  *ast.File // imports and comments
}

func (f goFile) test() bool { return strings.HasSuffix(f.path, "_test.go") }

// sources reads every Go file of weir's own module.
func sources(t *testing.T) []goFile {
	t.Helper()
	root := os.DirFS(filepath.Join("..", ".."))
	var files []goFile
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return enter(root, name)
		case path.Ext(name) != ".go":
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
		files = append(files, goFile{name, text, file})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("only %d Go files found", len(files))
	}
	return files
}

// enter skips what the go tool skips: other modules, hidden folders, testdata.
func enter(root fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	_, err := fs.Stat(root, path.Join(name, "go.mod"))
	if err == nil || strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" {
		return fs.SkipDir
	}
	return nil
}

func TestEveryFileNamesItsLicence(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		first, _, _ := bytes.Cut(f.text, []byte("\n"))
		if string(first) != "// "+licence {
			t.Errorf("%s: the first line is %q, want %q", f.path, first, "// "+licence)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, f := range sources(t) {
		dir := path.Dir(f.path)
		documented[dir] = documented[dir] || f.ast.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a package comment", dir)
		}
	}
}

func TestImportsGoDown(t *testing.T) {
	t.Parallel()
	for _, f := range sources(t) {
		if f.test() {
			continue // tests may look from above
		}
		allowed, known := arrows[path.Dir(f.path)]
		if !known {
			t.Errorf("%s: a new package; say in arrows what it may import", f.path)
			continue
		}
		for _, imported := range imports(t, f) {
			if !slices.Contains(allowed, imported) {
				t.Errorf("%s imports %s, which it may not", f.path, imported)
			}
		}
	}
}

// imports returns the folders of weir that f imports.
func imports(t *testing.T, f goFile) []string {
	t.Helper()
	var dirs []string
	for _, spec := range f.ast.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if name == module {
			dirs = append(dirs, ".")
		} else if dir, ok := strings.CutPrefix(name, module+"/"); ok {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func TestArrowsHaveNoCircle(t *testing.T) {
	t.Parallel()
	var visit func(dir string, above []string)
	visit = func(dir string, above []string) {
		if slices.Contains(above, dir) {
			t.Fatalf("arrows go in a circle: %v", append(above, dir))
		}
		for _, below := range arrows[dir] {
			visit(below, append(slices.Clone(above), dir))
		}
	}
	for dir := range arrows {
		visit(dir, nil)
	}
}
