// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"slices"
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

func TestDatabasesThatHaveToBeFree(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"create database Shop":                              {"template1", "shop"},
		"/**/CREATE--\nDATABASE\"S\" with template \"T\" ;": {"T", "S"},
		"create database a encoding 'utf8' template = t":    {"t", "a"},
		"create database a template 'it''s'":                {"it's", "a"},
		"create database a template default":                {"template1", "a"},
		"create database template":                          {"template1", "template"},
		"create database template template = b":             {"b", "template"},
		"create database a; create database b template c":   {"template1", "a", "c", "b"},
		"drop database a":                                   {"a"},
		`drop database if exists "A b" with (force)`:        {"A b"},
		"alter database a rename to b":                      {"a", "b"},
		"begin; alter database a rename to \"B\"; commit":   {"a", "B"},
		"alter database a set tablespace fast":              {"a"},
		"alter database a set search_path to b":             nil,
		"alter database a owner to b":                       nil,
		"alter database a connection limit 3":               nil,
		"create table template (database text)":             nil,
		"select 'drop database a'":                          nil,
		"":                                                  nil,
	} {
		if got := sqltext.Databases(text); !slices.Equal(got, want) {
			t.Errorf("Databases(%q) = %q, want %q", text, got, want)
		}
	}
}
