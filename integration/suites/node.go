// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
)

// The suite of node-postgres. Its tests are not in its packages on npm, so the
// user names a checkout in which yarn install and tsc --build were run.
const (
	nodeVariable = "NODE_POSTGRES"
	nodeDatabase = "ci_db_test"
	nodeUser     = "postgres"
	nodePassword = "postgres"
)

// What a test waits for may never come: these bound one file of pg's tests and
// all tests of another package.
const (
	fileLimit    = 90 * time.Second // one waits for authentication_timeout, 60 s
	packageLimit = 3 * time.Minute
)

type nodeSuite struct{ dir string }

func newNode(context.Context, string) (suite, error) {
	dir := os.Getenv(nodeVariable)
	if _, err := os.Stat(filepath.Join(dir, "packages", "pg-protocol", "dist", "index.js")); dir == "" || err != nil {
		return nil, fmt.Errorf("%s=%q: expected a checkout of https://github.com/brianc/node-postgres, built with: yarn install --frozen-lockfile --ignore-scripts && yarn build", nodeVariable, dir)
	}
	dir, err := filepath.Abs(dir)
	return &nodeSuite{dir: dir}, err
}

func (n *nodeSuite) server() pgserver.Options {
	return pgserver.Options{User: nodeUser, Password: nodePassword, Database: nodeDatabase, TLS: true}
}

// setup makes the roles of the project's own CI, .github/workflows/ci.yml.
func (n *nodeSuite) setup(ctx context.Context, s *pgserver.Server) error {
	return execute(ctx, s, nodeDatabase,
		`create role scram_test login password 'test4scram'`,
		`create role scram_unicode_test login password U&'IX-\2168'`,
	)
}

// gateway lists the roles with their passwords for weir.
func (n *nodeSuite) gateway(s *pgserver.Server) ([]string, error) {
	text := fmt.Sprintf("[users.%s]\n[users.scram_test]\npassword = \"test4scram\"\n[users.scram_unicode_test]\npassword = \"IX-\\u2168\"\n", nodeUser)
	path := filepath.Join(s.SocketDir(), "weir.toml")
	return []string{"WEIR_CONFIG=" + path}, os.WriteFile(path, []byte(text), 0o600)
}

func (n *nodeSuite) run(ctx context.Context, s *site, o options) ([]result, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	environ := append(withoutSettings(os.Environ()), s.environ(nodeDatabase)...)
	environ = append(environ, "USER="+nodeUser, "PGTESTNOSSL=true",
		"SCRAM_TEST_PGUSER=scram_test", "SCRAM_TEST_PGPASSWORD=test4scram",
		"SCRAM_TEST_PGUSER_UNICODE=scram_unicode_test", "SCRAM_TEST_PGPASSWORD_UNICODE=IX-\u2168")
	results, err := n.files(ctx, environ, only)
	if err != nil {
		return nil, err
	}
	for _, pkg := range []string{"pg-cursor", "pg-pool", "pg-query-stream"} {
		more, err := n.pkg(ctx, environ, pkg, only)
		if err != nil {
			return nil, err
		}
		results = append(results, more...)
	}
	var log bytes.Buffer
	for _, r := range results {
		fmt.Fprintf(&log, "%s %s\n%s\n", r.outcome, r.name, r.output)
	}
	return results, keep(o, log.Bytes())
}

// files runs the integration tests of the package pg: each is a program that
// fails with its exit status, and ends with its first failure.
func (n *nodeSuite) files(ctx context.Context, environ []string, only *regexp.Regexp) ([]result, error) {
	dir := filepath.Join(n.dir, "packages", "pg")
	var results []result
	for _, pattern := range []string{"test/integration/*-tests.js", "test/integration/*/*-tests.js"} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		slices.Sort(paths)
		for _, path := range paths {
			name, _ := strings.CutPrefix(path, dir+string(filepath.Separator)+"test/integration/")
			if name = "pg/" + name; !only.MatchString(name) {
				continue
			}
			r := n.file(ctx, dir, environ, path)
			r.name = name
			results = append(results, r)
		}
	}
	return results, ctx.Err()
}

// file runs one file of tests, and again if it fails, as goTest does.
func (n *nodeSuite) file(ctx context.Context, dir string, environ []string, path string) result {
	r := result{outcome: failed}
	for try := range tries {
		out, err := node(ctx, fileLimit, dir, environ, path)
		if err == nil {
			return result{outcome: passed, shaky: try > 0}
		}
		r.output = string(out) + err.Error()
	}
	return r
}

// node runs a program of Node.js, and ends it with all it has started at the
// limit.
func node(ctx context.Context, limit time.Duration, dir string, environ []string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir, cmd.Env = dir, environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("did not end: %w", ctx.Err())
	}
	return out, err
}

// mochaReport is what mocha's JSON reporter writes.
type mochaReport struct {
	Passes, Failures, Pending []struct {
		FullTitle string
		Err       struct{ Message, Stack string }
	}
}

// pkg runs the tests of a package, and all of them again if some fail.
func (n *nodeSuite) pkg(ctx context.Context, environ []string, pkg string, only *regexp.Regexp) ([]result, error) {
	results, err := n.mocha(ctx, environ, pkg, only)
	if err != nil || len(failures(results)) == 0 {
		return results, err
	}
	again, err := n.mocha(ctx, environ, pkg, only)
	for i, r := range results {
		if r.outcome == failed && slices.ContainsFunc(again, func(a result) bool { return a.name == r.name && a.outcome == passed }) {
			results[i] = result{name: r.name, outcome: passed, shaky: true}
		}
	}
	return results, err
}

// mocha runs the tests of a package as its own script does.
func (n *nodeSuite) mocha(ctx context.Context, environ []string, pkg string, only *regexp.Regexp) ([]result, error) {
	dir := filepath.Join(n.dir, "packages", pkg)
	temporary, err := os.MkdirTemp("", "weir-mocha-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	path := filepath.Join(temporary, "report.json")
	args := []string{mochaBinary(n.dir, pkg), "--reporter=json", "--reporter-option=output=" + path}
	if _, err := os.Stat(filepath.Join(dir, "tsconfig.json")); err == nil {
		args = append(args, "-r", "ts-node/register", "test/**/*.ts")
	}
	out, runErr := node(ctx, packageLimit, dir, environ, args...)
	text, err := os.ReadFile(path)
	if err != nil {
		return []result{{name: pkg, outcome: failed, output: string(out) + errors.Join(runErr, err).Error()}}, nil
	}
	var report mochaReport
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("report of mocha for %s: %w", pkg, err)
	}
	var results []result
	add := func(o outcome, title, output string) {
		if name := pkg + ": " + title; only.MatchString(name) {
			results = append(results, result{name: name, outcome: o, output: output})
		}
	}
	for _, t := range report.Passes {
		add(passed, t.FullTitle, "")
	}
	for _, t := range report.Failures {
		add(failed, t.FullTitle, t.Err.Message+"\n"+t.Err.Stack)
	}
	for _, t := range report.Pending {
		add(skipped, t.FullTitle, "")
	}
	return results, nil
}

// mochaBinary is where yarn has put mocha for a package.
func mochaBinary(root, pkg string) string {
	own := filepath.Join(root, "packages", pkg, "node_modules", "mocha", "bin", "mocha.js")
	if _, err := os.Stat(own); err == nil {
		return own
	}
	return filepath.Join(root, "node_modules", "mocha", "bin", "mocha.js")
}

// keep writes the tests' output where the user asked for it.
func keep(o options, out []byte) error {
	if o.log == "" {
		return nil
	}
	return os.WriteFile(filepath.Join(o.log, o.suite+"-"+string(o.mode)+".log"), out, 0o644)
}
