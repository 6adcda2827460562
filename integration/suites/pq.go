// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/weir-pg/weir/internal/pgserver"
)

// The suite of lib/pq, see its README.md and testdata/postgres.
const (
	pqPath     = "github.com/lib/pq"
	pqVersion  = "v1.12.3"
	pqDatabase = "pqgo"
	pqUser     = "pqgo"
	pqPassword = "unused" // of every role whose password the tests do not give
)

// pqRoles are the roles that the tests log in as, and their passwords.
var pqRoles = [][2]string{
	{"pqgossl", pqPassword},
	{"pqgosslcert", pqPassword},
	{"pqgopassword", "wordpass"},
	{"pqgoscram", "wordpass"},
	{"pqgomd5", "wordpass"},
}

type pqSuite struct{ dir string }

func newPq(ctx context.Context, dir string) (suite, error) {
	source, err := fetchModule(ctx, dir, pqPath, pqVersion)
	return &pqSuite{dir: source}, err
}

func (p *pqSuite) server() pgserver.Options {
	return pgserver.Options{
		User: pqUser, Password: pqPassword, Database: pqDatabase,
		HBA: []string{
			"host      all pqgomd5      all md5",
			"host      all pqgopassword all password",
			"host      all pqgoscram    all scram-sha-256",
			"hostnossl all pqgossl      all reject",
			"hostnossl all pqgosslcert  all reject",
			"hostssl   all pqgossl      all trust",
			"hostssl   all pqgosslcert  all cert",
			"host      all all          all trust",
		},
	}
}

// setup gives the server the certificates of the suite, which the tests expect.
func (p *pqSuite) setup(ctx context.Context, s *pgserver.Server) error {
	for _, name := range []string{"root.crt", "server.crt", "server.key"} {
		if err := p.lend(s, name); err != nil {
			return err
		}
	}
	texts := []string{
		`alter system set ssl_ca_file = 'root.crt'`,
		`alter system set ssl_cert_file = 'server.crt'`,
		`alter system set ssl_key_file = 'server.key'`,
		`alter system set ssl = on`,
	}
	for _, role := range pqRoles {
		texts = append(texts, fmt.Sprintf(`create role %s login password '%s'`, role[0], role[1]))
	}
	texts = append(texts,
		`update pg_authid set rolpassword = 'md5' || md5('wordpasspqgomd5') where rolname = 'pqgomd5'`,
		`create role postgres superuser login`)
	if err := execute(ctx, s, pqDatabase, texts...); err != nil {
		return err
	}
	return s.Restart(ctx, pgserver.Fast)
}

// lend copies a file of the suite to the server's data folder and gives it to
// the user who runs the server.
func (p *pqSuite) lend(s *pgserver.Server, name string) error {
	text, err := os.ReadFile(filepath.Join(p.dir, "testdata", "ssl", name))
	if err != nil {
		return err
	}
	path := filepath.Join(s.Dir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	info, err := os.Stat(s.Dir())
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}

// gateway lists the roles for weir, which asks each of them for a password, and
// lends it the same certificates.
func (p *pqSuite) gateway(s *pgserver.Server) ([]string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "[users.%s]\n", pqUser) // its password is in the URL
	for _, role := range pqRoles {
		// As weir's own role, because PostgreSQL would ask some of these for a
		// certificate, which only the client has.
		fmt.Fprintf(&b, "[users.%s]\npassword = %q\nupstream_user = %q\nupstream_password = %q\n", role[0], role[1], pqUser, pqPassword)
	}
	path := filepath.Join(p.dir, "weir.toml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	return []string{
		"WEIR_CONFIG=" + path,
		"WEIR_CLIENT_TLS_CERT=" + filepath.Join(s.Dir(), "server.crt"),
		"WEIR_CLIENT_TLS_KEY=" + filepath.Join(s.Dir(), "server.key"),
		"WEIR_CLIENT_TLS_CA=" + filepath.Join(s.Dir(), "root.crt"),
	}, nil
}

// run leaves host, user and database to the suite's defaults, which some tests
// compare with. PostgreSQL trusts most roles; weir asks for their password,
// which comes from ~/.pgpass: PGPASSWORD would count for every role, and
// PGPASSFILE show in the settings that tests compare.
func (p *pqSuite) run(ctx context.Context, s *site, o options) ([]result, error) {
	if _, err := net.DefaultResolver.LookupHost(ctx, "postgres"); err != nil {
		return nil, fmt.Errorf("the suite needs the line \"127.0.0.1 postgres postgres-invalid\" in /etc/hosts, as its README says: %w", err)
	}
	var passwords strings.Builder
	for _, user := range []string{pqUser, "pqgossl", "pqgosslcert"} {
		passwords.WriteString("*:*:*:" + user + ":" + pqPassword + "\n")
	}
	if err := os.WriteFile(filepath.Join(p.dir, ".pgpass"), []byte(passwords.String()), 0o600); err != nil {
		return nil, err
	}
	caches, err := exec.CommandContext(ctx, "go", "env", "GOCACHE", "GOPATH").Output()
	if err != nil {
		return nil, err
	}
	cache, path, _ := strings.Cut(strings.TrimSpace(string(caches)), "\n")
	return goTest(ctx, o, p.dir, []string{"PGPORT=" + strconv.Itoa(s.port), "HOME=" + p.dir, "GOCACHE=" + cache, "GOPATH=" + path})
}
