// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"cmp"
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// width is how much there is of something in one place: fields of a type, lines of a
// function.
type width struct {
	name string
	n    int
}

// measure is one kind of width, with the most that weir's source allows.
type measure struct {
	of    string
	most  int
	found []width
}

// widths measures the product's source.
func widths(t *testing.T) []measure {
	t.Helper()
	fields, methods, packages, functions := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, f := range product(t) {
		packages[f.dir()] += strings.Count(string(f.text), "\n")
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if receiver := receiverOf(d); receiver != "" {
					methods[f.dir()+"."+receiver]++
					name = receiver + "." + name
				}
				functions[f.dir()+"."+name] = f.lines(d.Pos(), d.End())
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if spec, ok := spec.(*ast.TypeSpec); ok {
						if structure, ok := spec.Type.(*ast.StructType); ok {
							fields[f.dir()+"."+spec.Name.Name] = structure.Fields.NumFields()
						}
					}
				}
			}
		}
	}
	return []measure{
		{"fields", mostFields, sorted(fields)},
		{"methods", mostMethods, sorted(methods)},
		{"lines in its package", mostPackageLines, sorted(packages)},
		{"lines", mostFunctionLines, sorted(functions)},
	}
}

// receiverOf names the type of a method, "" for a function.
func receiverOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	e := d.Recv.List[0].Type
	for {
		switch typed := e.(type) {
		case *ast.StarExpr:
			e = typed.X
		case *ast.IndexExpr:
			e = typed.X
		case *ast.IndexListExpr:
			e = typed.X
		case *ast.Ident:
			return typed.Name
		default:
			return fmt.Sprintf("%T", e)
		}
	}
}

// sorted lists the widths, the widest first.
func sorted(of map[string]int) []width {
	var all []width
	for name, n := range of {
		name = strings.TrimPrefix(name, "internal/")
		if name[0] == '.' {
			name = "weir" + name[1:]
		}
		all = append(all, width{name, n})
	}
	slices.SortFunc(all, func(a, b width) int { return cmp.Or(cmp.Compare(b.n, a.n), strings.Compare(a.name, b.name)) })
	return all
}

// TestWidths fails where something is wider than it may be, and prints the five widest
// of each kind, so that growth is seen in review.
func TestWidths(t *testing.T) {
	t.Parallel()
	needed := map[exception]bool{}
	for _, m := range widths(t) {
		t.Logf("%s, %d at most:", m.of, m.most)
		for i, w := range m.found {
			if i < 5 {
				t.Logf("  %6d  %s", w.n, w.name)
			}
			most := m.most
			if w.n > most {
				e := exception{w.name, m.of}
				most = max(most, exceptions[e])
				needed[e] = true
			}
			if w.n > most {
				t.Errorf("%s has %d %s, more than %d", w.name, w.n, m.of, most)
			}
		}
	}
	for e := range exceptions {
		if !needed[e] {
			t.Errorf("%s needs no exception for its %s any more", e.name, e.of)
		}
	}
}
