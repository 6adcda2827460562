// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/weir-pg/weir/internal/pgserver"
)

// build makes weir's binary in the run's folder and returns its path. The
// working directory has to be the repository's root, as `make bench` has it.
func (r *rig) build(ctx context.Context) (string, error) {
	path := r.file("weir")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "./cmd/weir")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building ./cmd/weir: %w: %s", err, firstLines(string(out)))
	}
	return path, nil
}

// weir is a contender made from a binary of weir. statement_timeout is off,
// because neither PgBouncer nor PostgreSQL sets one unless told to, and it
// costs PostgreSQL a timer for each statement.
func (r *rig) weir(name, key, binary string) (*contender, error) {
	version, err := buildVersion(binary)
	if err != nil {
		return nil, err
	}
	return &contender{
		name:    name,
		key:     key,
		version: version,
		command: func(pool int) string {
			return fmt.Sprintf("DATABASE_URL=… DATABASE_POOL_MAX=%d DATABASE_STATEMENT_TIMEOUT=0 weir run --listen … --http …", pool)
		},
		start: func(ctx context.Context, pool int) (*peer, error) {
			port, err := pgserver.FreePort()
			if err != nil {
				return nil, err
			}
			http, err := pgserver.FreePort()
			if err != nil {
				return nil, err
			}
			cmd := exec.Command(binary, "run",
				"--listen", fmt.Sprintf("127.0.0.1:%d", port),
				"--http", fmt.Sprintf("127.0.0.1:%d", http))
			cmd.Dir = r.dir // where no weir.toml is
			cmd.Env = environment(
				"DATABASE_URL="+r.server.URL(),
				fmt.Sprintf("DATABASE_POOL_MAX=%d", pool),
				"DATABASE_STATEMENT_TIMEOUT=0")
			return r.begin(ctx, name, cmd, port, syscall.SIGTERM)
		},
	}, nil
}

// buildVersion is the commit that a Go binary was built from, and the Go that
// built it.
func buildVersion(binary string) (string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "", fmt.Errorf("weir's binary: %w", err)
	}
	commit, state := "unknown commit", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = "commit " + s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			state = " with changes"
		}
	}
	return fmt.Sprintf("%s%s, %s", commit, state, info.GoVersion), nil
}
