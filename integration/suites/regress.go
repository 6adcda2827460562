// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/weir-pg/weir/internal/pgserver"
)

// The suites of PostgreSQL itself, see src/test/regress/README and
// src/test/isolation/README of its source: psql and isolationtester run scripts, and
// what they print is compared with what is expected.

type regressSuite struct {
	database string
	program  string // of PostgreSQL's, that runs all tests
	source   string // folder of the tests
	build    string // folder of the programs
	work     string // folder for what the tests write, of the server too
}

func newRegress(ctx context.Context, dir string) (suite, error) {
	return newPostgres(ctx, dir, "regress", "pg_regress")
}

func newIsolation(ctx context.Context, dir string) (suite, error) {
	return newPostgres(ctx, dir, "isolation", "pg_isolation_regress")
}

// newPostgres gives the tests a folder that the server, of another account, reads and
// writes too.
func newPostgres(ctx context.Context, dir, name, program string) (suite, error) {
	source, build, err := postgresSource(ctx, dir)
	if err != nil {
		return nil, err
	}
	r := &regressSuite{
		database: databases[name],
		program:  filepath.Join(build, "src", "test", name, program),
		source:   filepath.Join(dir, name),
		build:    build,
		work:     filepath.Join(dir, "work"),
	}
	if err := os.CopyFS(r.source, os.DirFS(filepath.Join(source, "src", "test", name))); err != nil {
		return nil, err
	}
	if err := r.lend(); err != nil {
		return nil, err
	}
	return r, os.Chmod(dir, 0o755)
}

// lend makes the folders and the library of the tests' own functions.
func (r *regressSuite) lend() error {
	for _, sub := range []string{"results", "lib", "testtablespace"} {
		path := filepath.Join(r.work, sub)
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o777); err != nil {
			return err
		}
	}
	return copyFile(filepath.Join(r.build, "src", "test", "regress", "regress.so"), filepath.Join(r.work, "lib", "regress.so"))
}

// databases are those that the tests' expected output names.
var databases = map[string]string{"regress": "regression", "isolation": "isolation_regression"}

func (r *regressSuite) server() pgserver.Options {
	return pgserver.Options{
		Database: r.database,
		Settings: map[string]string{"max_prepared_transactions": "2", "max_connections": "100"},
	}
}

// setup does what pg_regress does with a database of its own making, and brings the
// two libraries of contrib that its tests use.
func (r *regressSuite) setup(ctx context.Context, s *pgserver.Server) error {
	config, err := pgserver.Program("pg_config")
	if err != nil {
		return err
	}
	folder, err := exec.CommandContext(ctx, config, "--pkglibdir").Output()
	if err != nil {
		return err
	}
	for _, name := range []string{"autoinc.so", "refint.so"} {
		if err := copyFile(filepath.Join(strings.TrimSpace(string(folder)), name), filepath.Join(r.work, "lib", name)); err != nil {
			return err
		}
	}
	var texts []string
	for _, setting := range []string{"lc_messages TO 'C'", "lc_monetary TO 'C'", "lc_numeric TO 'C'", "lc_time TO 'C'", "bytea_output TO 'hex'", "timezone_abbreviations TO 'Default'"} {
		texts = append(texts, "ALTER DATABASE "+r.database+" SET "+setting)
	}
	if filepath.Base(r.source) == "isolation" {
		texts = append(texts, makeWaitsFor)
	}
	return execute(ctx, s, r.database, texts...)
}

// gateway lets statements and waits take long: some tests do, on a machine with much
// else to do.
func (r *regressSuite) gateway(*pgserver.Server) ([]string, error) {
	return []string{"WEIR_POOL_STATEMENT_TIMEOUT=0", "WEIR_POOL_ACQUIRE_TIMEOUT=5m"}, nil
}

// run runs all tests at once: each needs those before it.
func (r *regressSuite) run(ctx context.Context, s *site, o options) (results []result, err error) {
	port := s.port
	if o.form != simple {
		t, err := translate(net.JoinHostPort(s.host, strconv.Itoa(s.port)), o.form)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, t.close()) }()
		port = t.port()
	}
	if o.beside > 0 {
		stop := beside(ctx, s.dsn(r.database), o.beside)
		defer func() { err = errors.Join(err, stop()) }()
	}
	psql, err := pgserver.Program("psql")
	if err != nil {
		return nil, err
	}
	schedule := filepath.Join(r.source, "parallel_schedule")
	if filepath.Base(r.source) == "isolation" {
		schedule = filepath.Join(r.source, "isolation_schedule")
	}
	args := []string{
		"--inputdir=" + r.source, "--outputdir=" + r.work, "--bindir=" + filepath.Dir(psql), "--dlpath=" + filepath.Join(r.work, "lib"),
		"--dbname=" + r.database, "--use-existing", "--host=" + s.host, "--port=" + strconv.Itoa(port), "--user=" + s.user, "--max-concurrent-tests=20",
	}
	if o.only == "" {
		args = append(args, "--schedule="+schedule)
	} else {
		args = append(args, strings.Fields(o.only)...)
	}
	cmd := exec.CommandContext(ctx, r.program, args...)
	cmd.Dir = filepath.Dir(r.program) // pg_isolation_regress looks for isolationtester beside it
	cmd.Env = append(withoutSettings(os.Environ()), "PGPASSWORD="+s.password, "PGSSLMODE=disable", "PGGSSENCMODE=disable")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return nil, err
	}
	diffs, _ := os.ReadFile(filepath.Join(r.work, "regression.diffs")) // there is none where all pass
	results = readRegress(string(out), string(diffs))
	if len(results) == 0 {
		return nil, fmt.Errorf("%s ran no tests: %s", r.program, out)
	}
	return results, keep(o, append(out, diffs...))
}

// outcomeLine is what pg_regress prints of a test.
var outcomeLine = regexp.MustCompile(`(?m)^(?:test| {4}) +(\S+) +\.\.\. (ok|FAILED|failed \(ignored\))`)

// readRegress reads what pg_regress prints, and the differences that it has found.
func readRegress(out, diffs string) (results []result) {
	parts := make(map[string]string)
	for part := range strings.SplitSeq(diffs, "diff -U3 ") {
		head, _, _ := strings.Cut(part, "\n")
		name := strings.TrimSuffix(filepath.Base(head), ".out")
		parts[name] += part
	}
	for _, m := range outcomeLine.FindAllStringSubmatch(out, -1) {
		r := result{name: m[1], outcome: passed}
		if m[2] != "ok" {
			r.outcome, r.output = failed, parts[m[1]]
		}
		results = append(results, r)
	}
	return results
}
