// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/testpg"
)

// somewhere is an upstream for commands that do not need one that answers.
const somewhere = "DATABASE_URL=postgres://app:hunter2@127.0.0.1:1/app?sslmode=disable"

func TestEveryMistakeIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "weir.toml")
	if err := os.WriteFile(file, []byte("[pool]\nmaxx = 5\nmin = \"many\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := inside(t, []string{somewhere, "WEIR_POOL_MAKS=3", "DATABASE_POOL_MIN=-1"},
		"run", "--config", file, "--lissten", "127.0.0.1:0", "--pool-acquire-timeout", "soon")
	if status != exitUsage || stdout != "" {
		t.Errorf("exit status %d and output %q, want %d and none", status, stdout, exitUsage)
	}
	for _, words := range []string{
		"maxx", "did you mean pool.max?",
		"WEIR_POOL_MAKS", "did you mean WEIR_POOL_MAX?",
		"DATABASE_POOL_MIN", `"-1"`,
		"--lissten", "did you mean --listen?",
		"pool-acquire-timeout", `"soon"`,
		"weir.toml:", `"many"`,
	} {
		if !strings.Contains(stderr, words) {
			t.Errorf("what is said lacks %q:\n%s", words, stderr)
		}
	}
	if strings.Contains(stderr, "hunter2") {
		t.Errorf("the password is said:\n%s", stderr)
	}
}

func TestWhatPreventsAStartIsOneSentence(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	address := taken.Addr().String()
	cert, key := testpg.Certificate(t, "expired", time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		status  int
		want    []string
	}{
		{"port taken", []string{somewhere}, []string{"--listen", address, "--http", "off"}, exitFailure, []string{"cannot listen on " + address, "--listen"}},
		{"HTTP port taken", []string{somewhere}, []string{"--listen", "127.0.0.1:0", "--http", address}, exitFailure, []string{"cannot serve HTTP on " + address, "--http"}},
		{"all ports taken", []string{somewhere}, []string{"--listen", address + "," + address, "--http", address}, exitFailure, []string{"cannot listen on " + address + ": another program listens there already; stop it, or choose another address with --listen or WEIR_LISTEN\ncannot listen on ", "cannot serve HTTP on " + address, "--http or WEIR_HTTP"}},
		{"no file, which may have had the upstream", nil, []string{"--config", "/nonexistent/weir.toml"}, exitUsage, []string{"1 mistake"}},
		{"no file", []string{somewhere}, []string{"--config", "/nonexistent/weir.toml"}, exitUsage, []string{"/nonexistent/weir.toml", "no such file"}},
		{"no certificate", []string{somewhere}, []string{"--client-tls-cert", "/nonexistent.pem", "--client-tls-key", key}, exitUsage, []string{"/nonexistent.pem", "no such file"}},
		{"certificate expired", []string{somewhere}, []string{"--client-tls-cert", cert, "--client-tls-key", key}, exitUsage, []string{"expired on 2001-", "renew it"}},
		{"no upstream", nil, nil, exitUsage, []string{"DATABASE_URL"}},
		{"upstream is no URL", []string{"DATABASE_URL=postgres://app:hunter2@host:port/app"}, nil, exitUsage, []string{"DATABASE_URL"}},
		{"upstream is weir", []string{"DATABASE_URL=postgres://app:hunter2@127.0.0.1:6432/app"}, nil, exitUsage, []string{"weir itself"}},
		{"more clients than files", []string{somewhere}, []string{"--max-clients", "100000000"}, exitFailure, []string{"max_clients = 100000000", "open files"}},
		{"unknown command", nil, nil, exitFailure, []string{"unknown command"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"run"}, c.args...)
			if c.name == "unknown command" {
				args = []string{"rum"}
			}
			p := start(t, c.environ, args...)
			if got := p.status(t); got != c.status {
				t.Errorf("exit status %d, want %d", got, c.status)
			}
			said := p.output.String()
			for _, words := range c.want {
				if !strings.Contains(said, words) {
					t.Errorf("what is said lacks %q:\n%s", words, said)
				}
			}
			if strings.Contains(said, "hunter2") || strings.Contains(said, "goroutine ") {
				t.Errorf("too much is said:\n%s", said)
			}
		})
	}
}

func TestConfigShowsValuesAndTheirSources(t *testing.T) {
	t.Parallel()
	environ := []string{somewhere, "DATABASE_POOL_MAX=7"}
	stdout, stderr, status := inside(t, environ, "config", "--pool-min", "3")
	if status != 0 || stderr != "" {
		t.Fatalf("exit status %d: %s", status, stderr)
	}
	for _, words := range []string{"pool.max", "DATABASE_POOL_MAX", "--pool-min", "default", "127.0.0.1:1"} {
		if !strings.Contains(stdout, words) {
			t.Errorf("the table lacks %q", words)
		}
	}
	if strings.Contains(stdout, "hunter2") {
		t.Error("the table has the password")
	}
	stdout, _, status = inside(t, environ, "config", "--format", "json")
	if status != 0 || !json.Valid([]byte(stdout)) || strings.Contains(stdout, "hunter2") {
		t.Errorf("exit status %d, and as JSON: %s", status, stdout)
	}
	if _, stderr, status := inside(t, environ, "config", "--format", "yaml"); status == 0 || !strings.Contains(stderr, "table or json") {
		t.Errorf("exit status %d for an unknown format: %s", status, stderr)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	stdout, _, status := inside(t, nil, "version")
	if status != 0 || !strings.HasPrefix(stdout, "weir "+version) {
		t.Errorf("exit status %d: %q", status, stdout)
	}
}
