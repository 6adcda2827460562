// SPDX-License-Identifier: Apache-2.0

// Package testpg gives tests a real PostgreSQL. The server is one that is
// installed, or of the major version that WEIR_TEST_PG names, fetched if need
// be. A test skips under -short and where no server is found; with CI set in
// the environment a missing server fails it. For TLS it makes certificates.
package testpg

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
)

// patience bounds each step against the server, a fetch included.
const patience = 3 * time.Minute

// shared is the server of this test process. Nobody closes it: it ends and
// its data goes when the process does, in any way (see pgserver).
var shared = sync.OnceValues(func() (*pgserver.Server, error) {
	return start(pgserver.Options{})
})

// URL returns the superuser's URL of a server that all tests of a package
// share. Tests must leave its settings alone and make their objects in a
// Database of their own.
func URL(t testing.TB) string {
	t.Helper()
	return check(t, shared).URL()
}

// Found reports whether a test that asks for a server would get one, or fail:
// where it does not it would skip, and so should what cannot, an example. The
// flags have to be parsed.
func Found() bool {
	if testing.Short() {
		return false
	}
	_, err := pgserver.Find("")
	return err == nil || os.Getenv("CI") != "" || os.Getenv("WEIR_TEST_PG") != ""
}

// Shared is URL for what is no test, an example.
func Shared() (url string, err error) {
	s, err := shared()
	if err != nil {
		return "", err
	}
	return s.URL(), nil
}

// New starts a server for this test alone, which may stop it, break it and
// change its settings. It is closed when the test ends.
func New(t testing.TB, opts pgserver.Options) *pgserver.Server {
	t.Helper()
	s := check(t, func() (*pgserver.Server, error) { return start(opts) })
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the test's PostgreSQL: %v", err)
		}
	})
	return s
}

// start fills in what the environment says.
func start(opts pgserver.Options) (*pgserver.Server, error) {
	if version := os.Getenv("WEIR_TEST_PG"); version != "" {
		opts.Version, opts.Fetch = version, true
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return pgserver.Start(ctx, opts)
}

// check returns what start gives, or ends the test.
func check(t testing.TB, start func() (*pgserver.Server, error)) *pgserver.Server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PostgreSQL server; -short asks for none")
	}
	s, err := start()
	if errors.Is(err, pgserver.ErrNotFound) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}
