// SPDX-License-Identifier: Apache-2.0

package testpg

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
)

// strict are those of PostgreSQL's programs that refuse a server newer than
// themselves.
var strict = []string{"pg_basebackup", "pg_dump", "pg_receivewal"}

// Program returns the path of one of PostgreSQL's programs, see pgserver.Program.
// A missing one ends the test as a missing server does. One of strict that is not of
// the version that WEIR_TEST_PG names skips it: what is fetched is a server alone.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := pgserver.Program(name)
	if err != nil {
		missing(t, err)
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

// Installed returns the path of a program that is not PostgreSQL's, such as node. A
// missing one ends the test as a missing server does, and so does -short.
func Installed(t testing.TB, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skipf("needs %s; -short asks for none", name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, err)
	}
	return path
}

// missing ends a test that lacks something: it skips, but fails in CI.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "" {
		t.Skip(err)
	}
	t.Fatal(err)
}
