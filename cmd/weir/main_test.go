// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

func TestACommandThatCannotBeCarriedOutSaysWhy(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const upstream = "DATABASE_URL=postgres://app:hunter2@127.0.0.1:1/app"
	tests := []struct {
		name    string
		args    string
		environ []string
		status  int
		says    string
	}{
		{"no upstream", "run", nil, exitUsage, "no upstream: set DATABASE_URL"},
		{"misspelt flag", "run --lisen=:1", []string{upstream}, exitUsage, "flag --lisen: no such flag; did you mean --listen?"},
		{"misspelt variable", "run", []string{upstream, "DATABASE_POOL_MN=2"}, exitUsage, "did you mean DATABASE_POOL_MIN?"},
		{"no such file", "config --config=/nonexistent/weir.toml", []string{upstream}, exitUsage, "cannot read the file: no such file or directory"},
		{"no such format", "config --format=yaml", []string{upstream}, exitFailure, `--format is "yaml", expected table or json`},
		{"no such command", "start", nil, exitFailure, `unknown command "start"`},
		{"port taken", "run --http=off --listen=" + taken.Addr().String(), []string{upstream}, exitFailure, taken.Addr().String() + ": another program listens there already"},
		{"HTTP port taken", "run --listen=127.0.0.1:0 --http=" + taken.Addr().String(), []string{upstream}, exitFailure, "cannot serve HTTP on " + taken.Addr().String()},
		{"not this machine's address", "run --http=off --listen=192.0.2.1:6432", []string{upstream}, exitFailure, "cannot listen on 192.0.2.1:6432: cannot assign requested address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr, reported bytes.Buffer
			err := run(t.Context(), strings.Fields(tt.args), tt.environ, &stdout, &stderr)
			if err == nil {
				t.Fatal("it was carried out")
			}
			if got := report(&reported, err); got != tt.status {
				t.Errorf("got status %d, want %d", got, tt.status)
			}
			if !strings.HasPrefix(reported.String(), "weir: ") || !strings.Contains(reported.String(), tt.says) {
				t.Errorf("got %q, want it to say %q", &reported, tt.says)
			}
			if said := stdout.String() + stderr.String() + reported.String(); strings.Contains(said, "hunter2") {
				t.Errorf("the password was printed: %s", said)
			}
		})
	}
}

func TestConfigShowsWhereAValueCameFrom(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	err := run(t.Context(), []string{"config", "--pool-max=7"}, []string{"DATABASE_URL=postgres://app:hunter2@db/app"}, &stdout, &stdout)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(stdout.String(), "\n")
	for _, want := range []string{
		"listen 127.0.0.1:6432 default",
		"upstream postgres://app:********@db/app env DATABASE_URL",
		"pool.max 7 flag --pool-max",
	} {
		found := false
		for _, line := range lines {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("no line %q in\n%s", want, &stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"version"}, nil, &stdout, &stdout); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(stdout.String(), "weir "+version+" (go") {
		t.Errorf("got %q", &stdout)
	}
}
