// SPDX-License-Identifier: Apache-2.0

package archtest

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
	"sync"
	"testing"
)

const (
	module  = "github.com/weir-pg/weir"
	licence = "SPDX-License-Identifier: Apache-2.0"
)

// root is the folder of weir's module.
var root = filepath.Join("..", "..")

// goFile is one source file of weir.
type goFile struct {
	path string // from the root, with slashes
	text []byte
	ast  *ast.File
	set  *token.FileSet
}

// dir is the folder of the file's package, from the root.
func (f goFile) dir() string { return path.Dir(f.path) }

func (f goFile) test() bool { return strings.HasSuffix(f.path, "_test.go") }

// lines is how many lines from one position of the file to another, both counted.
func (f goFile) lines(from, to token.Pos) int {
	return f.set.Position(to).Line - f.set.Position(from).Line + 1
}

// imports returns the folders of weir's packages that the file imports.
func (f goFile) imports() []string {
	var dirs []string
	for _, spec := range f.ast.Imports {
		name, _ := strconv.Unquote(spec.Path.Value) // the parser has read it
		if name == module {
			dirs = append(dirs, ".")
		} else if dir, ok := strings.CutPrefix(name, module+"/"); ok {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// parsed reads every Go file of weir's own module, once for all tests.
var parsed = sync.OnceValues(func() ([]goFile, error) {
	files := os.DirFS(root)
	var all []goFile
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return enter(files, name)
		case path.Ext(name) != ".go":
			return nil
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
		all = append(all, goFile{name, text, file, set})
		return err
	})
	return all, err
})

// enter skips the folders that the go tool skips: other modules, hidden ones, testdata.
func enter(files fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	_, err := fs.Stat(files, path.Join(name, "go.mod"))
	if err == nil || strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" {
		return fs.SkipDir
	}
	return nil
}

// sources returns every Go file of weir's own module.
func sources(t *testing.T) []goFile {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d Go files found", len(all))
	}
	return all
}

// product returns the files of sources that are no tests.
func product(t *testing.T) []goFile {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(sources(t)), goFile.test)
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
		documented[f.dir()] = documented[f.dir()] || f.ast.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a package comment", dir)
		}
	}
}
