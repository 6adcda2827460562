// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/pgserver"
)

// rig is what a run stands on: one private PostgreSQL with pgbench's tables,
// and the ways to reach it that are compared.
type rig struct {
	opts          options
	progress      io.Writer
	dir           string // for all files of the run; removed by tearDown
	server        *pgserver.Server
	db            *pgconn.Config // how to reach server
	login         *login         // logs in to the server, and to the proxies before it
	serverVersion string
	tool          string // pgbench
	toolVersion   string
	binary        string // weir's; "" if weir takes no part
	list          []*contender
}

// setUp starts PostgreSQL, fills it and finds or builds the contenders.
func setUp(ctx context.Context, opts options, progress io.Writer) (*rig, error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return nil, err
	}
	r := &rig{opts: opts, progress: progress, dir: dir}
	if err := r.prepare(ctx); err != nil {
		return nil, errors.Join(err, r.tearDown())
	}
	return r, nil
}

func (r *rig) prepare(ctx context.Context) error {
	// PgBouncer leaves root and must still reach its files here.
	if err := os.Chmod(r.dir, 0o711); err != nil {
		return err
	}
	if err := raiseDescriptors(uint64(r.opts.idle) + 1000); err != nil {
		return err
	}
	if err := r.findTools(ctx); err != nil {
		return err
	}
	if err := r.startServer(ctx); err != nil {
		return err
	}
	var err error
	if r.list, err = r.contenders(); err != nil {
		return err
	}
	r.say("filling PostgreSQL %s: pgbench -i -s %d", r.serverVersion, scale)
	_, err = r.pgbench(ctx, r.db.Host, int(r.db.Port), "-i", "-q", "-s", strconv.Itoa(scale))
	return err
}

// findTools looks for pgbench and for weir, whose binary it builds if none is named.
func (r *rig) findTools(ctx context.Context) (err error) {
	if r.tool, err = findPgbench(); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, r.tool, "--version").Output()
	if err != nil {
		return fmt.Errorf("pgbench --version: %w", err)
	}
	// The answer reads "pgbench (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
	if words := strings.Fields(string(out)); len(words) > 2 {
		r.toolVersion = words[2]
	}
	if !slices.Contains(r.opts.peers, weir) {
		return nil
	}
	if r.opts.binary != "" {
		r.binary, err = filepath.Abs(r.opts.binary)
		return err
	}
	r.say("building weir")
	r.binary, err = r.build(ctx)
	return err
}

// findPgbench says what to install where there is none.
func findPgbench() (string, error) {
	path, err := pgserver.Program("pgbench")
	if err != nil {
		return "", fmt.Errorf("pgbench not found (%w): install it (Debian: apt-get install postgresql-contrib or postgresql)", err)
	}
	return path, nil
}

// startServer starts PostgreSQL with room for the largest number of clients
// that come to it directly, beside the pools of the proxies.
func (r *rig) startServer(ctx context.Context) (err error) {
	connections := max(slices.Max(r.opts.clients), crowd) + 100
	r.server, err = pgserver.Start(ctx, pgserver.Options{
		User:     "bench",
		Database: "bench",
		Settings: map[string]string{
			"max_connections": strconv.Itoa(connections),
			"shared_buffers":  "256MB",
		},
		Fetch: true,
	})
	if err != nil {
		return err
	}
	r.serverVersion = r.server.Version()
	if r.db, err = pgconn.ParseConfig(r.server.URL()); err != nil {
		return err
	}
	r.login, err = newLogin(r.db)
	return err
}

// tearDown ends what setUp started, also what was started only in part.
func (r *rig) tearDown() error {
	var err error
	if r.server != nil {
		err = r.server.Close()
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// file is a path in the run's own folder.
func (r *rig) file(name string) string { return filepath.Join(r.dir, name) }

// say prints a line of progress. Failing to is no reason to stop measuring.
func (r *rig) say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.progress, format+"\n", args...)
}

// setup describes the run for a section that has just been measured.
func (r *rig) setup(m measurement) setup {
	s := setup{
		Date:     today(),
		Machine:  thisMachine(),
		Versions: map[string]string{"pgbench": r.toolVersion, "PostgreSQL": r.serverVersion},
		Commands: append([]string{r.opts.command(m)}, m.commands...),
		Rounds:   m.rounds,
		Seconds:  m.seconds,
		Pool:     m.pool,
	}
	list := r.list
	if m.own != nil {
		list = m.own
	}
	for _, c := range list {
		s.Versions[c.name] = cmp.Or(c.version, "unknown")
		if c.command != nil {
			s.Commands = append(s.Commands, c.command(m.pool))
		}
	}
	return s
}
