// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"maps"
	"slices"

	"github.com/weir-pg/weir/internal/pgserver"
)

// mode is how the tests reach PostgreSQL.
type mode string

const (
	direct      mode = "direct"
	transaction mode = "transaction"
	session     mode = "session"
)

func (m mode) valid() bool { return m == direct || m == transaction || m == session }

// suite is a driver's test suite, ready to run.
type suite interface {
	// server says what PostgreSQL the suite wants.
	server() pgserver.Options
	// setup prepares the server: databases, roles, extensions.
	setup(ctx context.Context, s *pgserver.Server) error
	// gateway returns the settings of weir that the suite needs, beyond the
	// address of PostgreSQL and the size and mode of the pool.
	gateway(s *pgserver.Server) ([]string, error)
	// run runs the tests.
	run(ctx context.Context, s *site, o options) ([]result, error)
}

// suites are the suites by name. Each function gets the suite's source and
// unpacks it in a folder that is removed at the end.
var suites = map[string]func(ctx context.Context, dir string) (suite, error){
	"pgx":           newPgx,
	"pq":            newPq,
	"node-postgres": newNode,
	"regress":       newRegress,
	"isolation":     newIsolation,
}

func suiteNames() []string { return slices.Sorted(maps.Keys(suites)) }
