// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/pgserver"
)

// start runs a server for the test, or skips where there is none.
func start(t *testing.T, opts pgserver.Options) *pgserver.Server {
	t.Helper()
	s, err := tryStart(t, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// tryStart is Start for a test that may expect an error.
func tryStart(t *testing.T, opts pgserver.Options) (*pgserver.Server, error) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PostgreSQL server; -short asks for none")
	}
	if version := os.Getenv("WEIR_TEST_PG"); version != "" {
		opts.Version, opts.Fetch = version, true
	}
	s, err := pgserver.Start(limit(t), opts)
	if errors.Is(err, pgserver.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	return s, err
}

// limit is a context that outlives t and ends when something hangs.
func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// query returns the first value of the last result of sql.
func query(t *testing.T, url, sql string) (string, error) {
	t.Helper()
	conn, err := pgconn.Connect(limit(t), url)
	if err != nil {
		return "", err
	}
	defer conn.Close(limit(t))
	results, err := conn.Exec(limit(t), sql).ReadAll()
	if err != nil || len(results) == 0 || len(results[len(results)-1].Rows) == 0 {
		return "", err
	}
	return string(results[len(results)-1].Rows[0][0]), nil
}

// wantQuery fails unless sql's first value is want.
func wantQuery(t *testing.T, url, sql, want string) {
	t.Helper()
	got, err := query(t, url, sql)
	if err != nil || got != want {
		t.Errorf("%s = %q, %v, want %q", sql, got, err, want)
	}
}

// folder is an empty one that the user who runs PostgreSQL for root can enter.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestStartWithOptions(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{
		User: "an admin@work", Password: `p@ss/\word'`, Database: `App "one"`,
		Settings: map[string]string{"max_connections": "17", "application_name": `it's \ here`},
		HBA:      []string{`host postgres all 127.0.0.1/32 reject`},
	})
	wantQuery(t, s.URL(), "select current_user", "an admin@work")
	wantQuery(t, s.URL(), "select current_database()", `App "one"`)
	wantQuery(t, s.URL(), "show max_connections", "17")
	wantQuery(t, s.URL(), "show application_name", `it's \ here`)
	wantQuery(t, s.URL(), "show port", strconv.Itoa(s.Port()))
	wantQuery(t, s.URL(), "show data_directory", s.Dir())
	wantQuery(t, s.URL(), "select split_part(current_setting('server_version'), ' ', 1)", s.Version())

	rejected := strings.Replace(s.URL(), "App%20%22one%22", "postgres", 1)
	if _, err := query(t, rejected, "select 1"); err == nil || !strings.Contains(err.Error(), "28000") {
		t.Errorf("login that pg_hba.conf rejects: %v, want SQLSTATE 28000", err)
	}
	wrong := strings.Replace(s.URL(), "p%40ss", "other", 1)
	if _, err := query(t, wrong, "select 1"); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("login with a wrong password: %v, want SQLSTATE 28P01", err)
	}
}

func TestUnixSocketNeedsThePassword(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{Password: "secret"})
	socket := "host=" + s.SocketDir() + " port=" + strconv.Itoa(s.Port()) + " user=postgres database=postgres"
	wantQuery(t, socket+" password=secret", "select inet_client_addr() is null", "t")
	if _, err := query(t, socket, "select 1"); err == nil {
		t.Error("a login without the password succeeded")
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{TLS: true})
	if !strings.Contains(s.URL(), "sslmode=verify-full") {
		t.Errorf("URL = %s, want sslmode=verify-full", s.URL())
	}
	wantQuery(t, s.URL(), "select ssl from pg_stat_ssl where pid = pg_backend_pid()", "t")
}

func TestDataIsKept(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := start(t, pgserver.Options{Data: dir})
	wantQuery(t, first.URL(), "create table kept as select 42 as n; select n from kept", "42")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := start(t, pgserver.Options{Data: dir, Database: "other", Settings: map[string]string{"work_mem": "3MB"}})
	wantQuery(t, second.URL(), "show work_mem", "3MB")
	wantQuery(t, strings.Replace(second.URL(), "/other", "/postgres", 1), "select n from kept", "42")
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "PG_VERSION")); err != nil {
		t.Errorf("the data is gone after Close: %v", err)
	}
}

func TestTemporaryDataGoesAway(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{})
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{s.Dir(), s.SocketDir()} {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", dir, err)
		}
	}
	if err := s.Start(limit(t)); err == nil {
		t.Error("Start after Close succeeded")
	}
}

func TestStartFailures(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	foreign := folder(t)
	write(t, foreign, "PG_VERSION", "15\n")
	older := folder(t)
	write(t, older, "PG_VERSION", "9.6\n")
	write(t, older, "weir.conf", "")
	full := folder(t)
	write(t, full, "letter.txt", "dear diary")

	for _, tt := range []struct {
		name string
		opts pgserver.Options
		want string
	}{
		{"port taken", pgserver.Options{Port: taken.Addr().(*net.TCPAddr).Port}, "the port is in use"},
		{"setting that does not exist", pgserver.Options{Settings: map[string]string{"max_conections": "1"}}, `unrecognized configuration parameter "max_conections"`},
		{"somebody else's cluster", pgserver.Options{Data: foreign}, "a PostgreSQL cluster that weir did not make"},
		{"another version's data", pgserver.Options{Data: older, Version: "15"}, "data of PostgreSQL 9.6, which version "},
		{"folder in use", pgserver.Options{Data: full}, "is not empty and holds no PostgreSQL cluster"},
		{"folder without a server", pgserver.Options{Bin: full}, "holds no PostgreSQL server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := tryStart(t, tt.opts)
			if err == nil {
				s.Close()
				t.Fatal("Start succeeded")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error is %q, want it to say %q", err, tt.want)
			}
		})
	}
}

// write makes a file.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
