// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/weir-pg/weir/internal/config"
)

// written loads settings from a file with the given text.
func written(t *testing.T, path, text string) *config.Config {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Source{File: path})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestChangesTellsWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "weir.toml")
	const first = "upstream = 'postgres://app:secret@db/app'\nusers.app = { pool.max = 3 }\n"
	before := written(t, path, first)
	for text, want := range map[string][2][]string{
		first:                                     {nil, nil},
		"pool.max = 11\nloops = 7\n" + first:      {{"pool.max"}, {"loops"}},
		"listen = ':7000'\n" + first:              {nil, {"listen"}},
		first + "users.bob.password = 'b'\n":      {{"users"}, nil},
		first + "databases.app = { pool.min = 1}": {{"databases"}, nil},
		"upstream = 'postgres://app:new@db/app'\nusers.app = { pool.max = 3 }\n":    {{"upstream"}, nil},
		"upstream = 'postgres://app:secret@db/app'\nusers.app = { pool.max = 4 }\n": {{"users"}, nil},
	} {
		changed, fixed := before.Changes(written(t, path, text))
		if !slices.Equal(changed, want[0]) || !slices.Equal(fixed, want[1]) {
			t.Errorf("%s\ngot %v and %v, want %v and %v", text, changed, fixed, want[0], want[1])
		}
	}
}

func TestFilesAreThoseThatTheSettingsComeFrom(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "weir.toml")
	cfg := written(t, path, "upstream = 'postgres://app:secret@db/app?passfile=/etc/weir/pass'\ndatabases.other.upstream = 'host=db2 user=app password=x passfile=/etc/weir/other'\n")
	got := cfg.Files()
	for _, want := range []string{path, "/etc/weir/pass", "/etc/weir/other"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %v", want, got)
		}
	}
}
