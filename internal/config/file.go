// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// readFile takes the settings in the file at path; from is what named it.
func (l *loader) readFile(path string, from origin) {
	if path == "" {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		l.wrong(configFlag, from, maskStray(path), "cannot read the file: "+cause(err))
		return
	}
	leaves, err := parse(text)
	l.bad[configFlag] = err != nil
	l.file = filepath.Base(path)
	var syntax *toml.DecodeError
	switch {
	case errors.As(err, &syntax):
		row, column := syntax.Position()
		where := fmt.Sprintf("%s:%d:%d", l.file, row, column)
		l.mistakes = append(l.mistakes, Mistake{Where: where, Problem: "not TOML: " + withoutText(syntax)})
	case err != nil:
		l.mistakes = append(l.mistakes, Mistake{Where: l.file, Problem: "not TOML: " + withoutText(err)})
	}
	for _, one := range leaves {
		l.takeLeaf(one)
	}
}

// character is what an error of the parser repeats of the file. It may be the
// first of a password that lacks its quotes.
var character = regexp.MustCompile(`U\+[0-9A-Fa-f]+ '.+?'`)

func withoutText(err error) string {
	return character.ReplaceAllString(strings.TrimPrefix(err.Error(), "toml: "), "…")
}

// at is the origin of what begins at a line of the file.
func (l *loader) at(line int, path []string) origin {
	return origin{fmt.Sprintf("%s:%d", l.file, line), dotted(path)}
}

// cause is what the system says of a file, without the path it repeats.
func cause(err error) string {
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		return inner.Err.Error()
	}
	return err.Error()
}

// leaf is a value in a TOML file, or an empty table.
type leaf struct {
	path  []string
	value any
	line  int
	owner int // the line where [databases.NAME] or [users.NAME] begins
}

// parse returns the values in text, in the order of their lines.
func parse(text []byte) ([]leaf, error) {
	var tree map[string]any
	if err := toml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	numbers := lines(text)
	leaves := flatten(nil, nil, tree)
	for i := range leaves {
		path := leaves[i].path
		leaves[i].line = numbers[dotted(path)]
		leaves[i].owner = numbers[dotted(path[:min(2, len(path))])]
	}
	slices.SortFunc(leaves, func(a, b leaf) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return slices.Compare(a.path, b.path)
	})
	return leaves, nil
}

func flatten(leaves []leaf, path []string, value any) []leaf {
	table, ok := value.(map[string]any)
	if !ok || len(table) == 0 && len(path) > 0 {
		return append(leaves, leaf{path: path, value: value})
	}
	for key, inner := range table {
		leaves = flatten(leaves, append(slices.Clone(path), key), inner)
	}
	return leaves
}

// lines returns the line where each key and table of a valid document first appears.
func lines(text []byte) map[string]int {
	numbers := map[string]int{}
	var p unstable.Parser
	p.Reset(text)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = number(&p, numbers, nil, e)
		case unstable.KeyValue:
			number(&p, numbers, table, e)
		default: // comments, which the parser leaves out
		}
	}
	return numbers
}

// number notes the line of node, a table or a key with its value, which is
// inside path, and returns the node's own path.
func number(p *unstable.Parser, numbers map[string]int, path []string, node *unstable.Node) []string {
	path = slices.Clone(path)
	for keys := node.Key(); keys.Next(); {
		key := keys.Node()
		path = append(path, string(key.Data))
		if _, noted := numbers[dotted(path)]; !noted {
			numbers[dotted(path)] = p.Shape(key.Raw).Start.Line
		}
	}
	if node.Kind == unstable.KeyValue && node.Value().Kind == unstable.InlineTable {
		for inner := node.Value().Children(); inner.Next(); {
			number(p, numbers, path, inner.Node())
		}
	}
	return path
}

// dotted returns a path as TOML writes it: databases."a b".upstream.
func dotted(path []string) string {
	quoted := make([]string, len(path))
	for i, key := range path {
		quoted[i] = key
		if key == "" || strings.Trim(key, bare) != "" {
			quoted[i] = strconv.Quote(key)
		}
	}
	return strings.Join(quoted, ".")
}

// bare is the letters of a TOML key without quotes.
const bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
