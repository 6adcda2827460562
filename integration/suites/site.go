// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/pgserver"
)

// site is what the tests connect to.
type site struct {
	postgres *pgserver.Server
	gateway  *gateway // nil where the tests go to PostgreSQL directly

	host     string
	port     int
	socket   string // folder of the Unix socket
	user     string
	password string
	rootCert string // vouches for the certificate at host and port
}

// open starts PostgreSQL, and weir unless the tests go directly.
func open(ctx context.Context, o options, s suite, dir string) (_ *site, err error) {
	server, err := pgserver.Start(ctx, s.server())
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	site := &site{postgres: server, host: "127.0.0.1", port: server.Port(), socket: server.SocketDir(), rootCert: server.RootCert()}
	defer func() {
		if err != nil {
			err = errors.Join(err, site.close())
		}
	}()
	u, err := url.Parse(server.URL())
	if err != nil {
		return nil, err
	}
	site.user = u.User.Username()
	site.password, _ = u.User.Password()
	if err := s.setup(ctx, server); err != nil {
		return nil, fmt.Errorf("prepare PostgreSQL: %w", err)
	}
	if o.mode == direct {
		return site, nil
	}
	settings, err := s.gateway(server)
	if err != nil {
		return nil, err
	}
	if site.gateway, err = startGateway(ctx, o, dir, server.URL(), settings); err != nil {
		return nil, fmt.Errorf("start weir: %w", err)
	}
	site.port, site.socket = site.gateway.port, site.gateway.socket
	return site, nil
}

// close ends weir and PostgreSQL.
func (s *site) close() error {
	var err error
	if s.gateway != nil {
		err = s.gateway.stop()
	}
	return errors.Join(err, s.postgres.Close())
}

// alive reports as an error that weir has ended by itself.
func (s *site) alive() error {
	if s.gateway == nil {
		return nil
	}
	return s.gateway.alive()
}

// dsn is a connection string in libpq's form, for TCP without TLS; more comes
// after it and wins.
func (s *site) dsn(database string, more ...string) string {
	base := fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=disable",
		s.host, s.port, s.user, s.password, database)
	return strings.Join(append([]string{base}, more...), " ")
}

// environ are libpq's variables for the site.
func (s *site) environ(database string) []string {
	return []string{
		"PGHOST=" + s.host,
		"PGPORT=" + strconv.Itoa(s.port),
		"PGUSER=" + s.user,
		"PGPASSWORD=" + s.password,
		"PGDATABASE=" + database,
	}
}

// execute runs SQL on the server as its superuser, each text in an implicit
// transaction of its own.
func execute(ctx context.Context, s *pgserver.Server, database string, texts ...string) error {
	u, err := url.Parse(s.URL())
	if err != nil {
		return err
	}
	u.Path = database
	conn, err := pgconn.Connect(ctx, u.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, text := range texts {
		if _, err := conn.Exec(ctx, text).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}
