// SPDX-License-Identifier: Apache-2.0

package testpg

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
)

// strict are those of PostgreSQL's programs that refuse a server newer than
// themselves.
var strict = []string{"pg_basebackup", "pg_dump", "pg_receivewal"}

// Program returns the path of one of PostgreSQL's programs, such as psql: beside
// the server that is installed, else on PATH. A missing one ends the test as a
// missing server does. One of strict that is not of the version that WEIR_TEST_PG
// names skips it: what is fetched is a server alone.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := lookUp(name)
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
	want := os.Getenv("WEIR_TEST_PG")
	if want == "" || !slices.Contains(strict, name) {
		return path
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said, err := exec.CommandContext(ctx, path, "--version").Output() //nolint:gosec // a program of PostgreSQL's
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(said), ") "+want+".") {
		t.Skipf("no %s for PostgreSQL %s: %s is %s", name, want, path, said)
	}
	return path
}

// lookUp finds a program.
func lookUp(name string) (string, error) {
	if dir, err := pgserver.Find(""); err == nil {
		// The server may be a link; the programs are beside what it leads to.
		if server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")); err == nil {
			dir = filepath.Dir(server)
		}
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}
