// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/weir-pg/weir/internal/pgserver"
)

// The suite of pgx, see its CONTRIBUTING.md and testsetup/postgresql_setup.sql.
const (
	pgxPath     = "github.com/jackc/pgx/v5"
	pgxVersion  = "v5.12.0"
	pgxDatabase = "pgx_test"
)

type pgxSuite struct{ dir string }

func newPgx(ctx context.Context, dir string) (suite, error) {
	source, err := fetchModule(ctx, dir, pgxPath, pgxVersion)
	return &pgxSuite{dir: source}, err
}

func (p *pgxSuite) server() pgserver.Options {
	return pgserver.Options{Database: pgxDatabase, TLS: true}
}

func (p *pgxSuite) setup(ctx context.Context, s *pgserver.Server) error {
	return execute(ctx, s, pgxDatabase,
		`create extension hstore`,
		`create extension ltree`,
		`create domain uint64 as numeric(20,0)`,
		`create user " tricky, ' } "" \\ test user " superuser password 'secret'`,
	)
}

// gateway has weir show the certificate that PostgreSQL shows, so that one root
// certificate is right for both.
func (p *pgxSuite) gateway(s *pgserver.Server) ([]string, error) {
	return []string{
		"WEIR_CLIENT_TLS_CERT=" + s.RootCert(),
		"WEIR_CLIENT_TLS_KEY=" + filepath.Join(filepath.Dir(s.RootCert()), "weir.key"),
	}, nil
}

// run leaves out the logins with md5, with a password in clear and with a
// client's certificate: whoever is asked chooses the method, and weir asks for
// SCRAM. The tests for PgBouncer run against everything.
func (p *pgxSuite) run(ctx context.Context, s *site, o options) ([]result, error) {
	plain := s.dsn(pgxDatabase)
	verified := fmt.Sprintf("sslmode=verify-full sslrootcert=%s", s.rootCert)
	return goTest(ctx, o, p.dir, []string{
		"PGX_TEST_DATABASE=" + plain,
		"PGX_TEST_TCP_CONN_STRING=" + plain,
		"PGX_TEST_UNIX_SOCKET_CONN_STRING=" + s.dsn(pgxDatabase, "host="+s.socket),
		"PGX_TEST_SCRAM_PASSWORD_CONN_STRING=" + plain,
		"PGX_TEST_TLS_CONN_STRING=" + s.dsn(pgxDatabase, verified),
		"PGX_TEST_SCRAM_PLUS_CONN_STRING=" + s.dsn(pgxDatabase, verified, "channel_binding=require"),
		"PGX_TEST_PGBOUNCER_CONN_STRING=" + plain,
	})
}
