// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
)

// installation makes a folder of programs that only know their version.
func installation(t *testing.T, version string, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range programs {
		script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + " (Debian)'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindNamedFolder(t *testing.T) {
	whole := installation(t, "17.4", "postgres", "initdb", "pg_ctl")
	partial := installation(t, "17.4", "postgres", "pg_ctl")
	mute := installation(t, "", "postgres", "initdb", "pg_ctl")

	for _, tt := range []struct {
		name, bin, env, major string
		want, wantErr         string
	}{
		{"by argument", whole, partial, "", "17.4", ""},
		{"by environment", "", whole, "", "17.4", ""},
		{"right version", whole, "", "17", "17.4", ""},
		{"wrong version", whole, "", "18", "", "holds PostgreSQL 17.4, but 18 is needed"},
		{"a program is missing", partial, "", "", "", "holds no PostgreSQL server"},
		{"no such folder", "/nonexistent", "", "", "", "holds no PostgreSQL server"},
		{"no version", mute, "", "", "", "not a version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("WEIR_POSTGRES_BIN", tt.env)
			_, got, err := pgserver.FindVersion(tt.bin, tt.major)
			if got != tt.want || (err == nil) != (tt.wantErr == "") {
				t.Fatalf("find = %q, %v, want %q, %q", got, err, tt.want, tt.wantErr)
			}
			if err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error is %q, want it to say %q", err, tt.wantErr)
			}
		})
	}
}

func TestFindOnPath(t *testing.T) {
	dir := installation(t, "99.1", "postgres", "initdb", "pg_ctl")
	t.Setenv("WEIR_POSTGRES_BIN", "")
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	if got, err := pgserver.Find(""); got != dir || err != nil {
		t.Errorf("Find = %s, %v, want %s", got, err, dir)
	}
	if _, _, err := pgserver.FindVersion("", "98"); !errors.Is(err, pgserver.ErrNotFound) {
		t.Errorf("find(98) = %v, want ErrNotFound", err)
	}
}

func TestPlacesAreOrderedByNumber(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{
		"/usr/lib/postgresql/17/bin":           17,
		"/opt/homebrew/opt/postgresql@9.6/bin": 6,
		"/usr/local/pgsql/bin":                 0,
		"/usr/lib/99999999999999999999/bin":    0,
	} {
		if got := pgserver.Number(path); got != want {
			t.Errorf("number(%s) = %d, want %d", path, got, want)
		}
	}
}
