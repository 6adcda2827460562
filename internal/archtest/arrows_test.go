// SPDX-License-Identifier: Apache-2.0

// Package archtest holds the source to its plan: which package imports which, how wide
// types, packages and functions may grow, that every package says what it is, and that
// every file names its licence.
package archtest

import (
	"slices"
	"testing"
)

// arrows lists what each package of weir imports of weir, no more and no less. An
// import goes down only; docs/architecture.md explains the floors.
var arrows = map[string][]string{
	// Values and bytes. They know nothing else.
	"internal/sqlstate": {},
	"internal/wire":     {"internal/sqlstate"},

	// Leaves: one subject each, used by the floors above.
	"internal/auth":     {"internal/sqlstate", "internal/wire"},
	"internal/config":   {},
	"internal/observe":  {"internal/sqlstate"},
	"internal/pgserver": {},
	"internal/sqltext":  {},
	"internal/routine":  {"internal/sqltext"},

	// The life of a connection, floor by floor.
	"internal/loop":     {},
	"internal/upstream": {"internal/sqlstate", "internal/wire", "internal/auth", "internal/loop"},
	"internal/listen":   {"internal/wire", "internal/upstream"},
	"internal/pool":     {"internal/sqlstate"},
	"internal/session": {
		"internal/sqlstate", "internal/wire", "internal/auth", "internal/config", "internal/observe", "internal/sqltext",
		"internal/loop", "internal/upstream", "internal/pool", "internal/listen", "internal/routine",
	},

	// The registry.
	"internal/gateway": {
		"internal/sqlstate", "internal/wire", "internal/auth", "internal/config", "internal/observe",
		"internal/loop", "internal/upstream", "internal/pool", "internal/session",
	},

	// What reads snapshots.
	"internal/web": {"internal/observe"},

	// The product, the programs and the tests' tools.
	".":                   {"internal/sqlstate", "internal/config", "internal/observe", "internal/gateway", "internal/web"},
	"cmd/weir":            {".", "internal/audit", "internal/config", "internal/pgserver"},
	"bench":               {".", "internal/pgserver"},
	"internal/audit":      {"internal/session", "internal/sqlstate"},
	"internal/testpg":     {"internal/pgserver"},
	"internal/faultproxy": {"internal/wire"},
	"internal/archtest":   {},
}

// TestImportsAreThePlannedOnes fails for an import that arrows does not list, and for
// an arrow that no file needs: a plan that allows more than there is says nothing.
func TestImportsAreThePlannedOnes(t *testing.T) {
	t.Parallel()
	found := map[string][]string{}
	for _, f := range product(t) {
		dir := f.dir()
		if _, planned := arrows[dir]; !planned {
			t.Errorf("%s: a new package; say in arrows what it imports", f.path)
			continue
		}
		for _, imported := range f.imports() {
			if !slices.Contains(arrows[dir], imported) {
				t.Errorf("%s imports %s, which it may not", f.path, imported)
			}
			found[dir] = append(found[dir], imported)
		}
	}
	for dir, planned := range arrows {
		for _, imported := range planned {
			if !slices.Contains(found[dir], imported) {
				t.Errorf("%s may import %s and does not: take the arrow out", dir, imported)
			}
		}
	}
}

func TestArrowsHaveNoCircle(t *testing.T) {
	t.Parallel()
	for dir := range arrows {
		if reaches(dir, dir) {
			t.Errorf("the arrows from %s lead back to it", dir)
		}
	}
}

// reaches reports whether a way of one arrow or more leads from one package to another.
func reaches(from, to string) bool {
	seen := map[string]bool{}
	var visit func(dir string) bool
	visit = func(dir string) bool {
		if seen[dir] {
			return false
		}
		seen[dir] = true
		return slices.Contains(arrows[dir], to) || slices.ContainsFunc(arrows[dir], visit)
	}
	return visit(from)
}
