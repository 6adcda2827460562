// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgconn"
)

// signalFile makes a server start as a standby. PostgreSQL removes it when the
// standby is promoted (src/backend/access/transam/xlogrecovery.c).
const signalFile = "standby.signal"

// clone fills the empty data folder with a copy of the primary's.
func (s *Server) clone() error {
	p := s.primary
	// A link to postgres on PATH need not have pg_basebackup beside it.
	postgres, err := filepath.EvalSymlinks(filepath.Join(s.bin, "postgres"))
	if err != nil {
		return fmt.Errorf("folder of pg_basebackup: %w", err)
	}
	cmd := s.account.command(s.temporary, filepath.Join(filepath.Dir(postgres), "pg_basebackup"),
		"--pgdata", s.data, "--dbname", p.URL(), "--checkpoint", "fast", "--wal-method", "stream", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("copy the PostgreSQL on port %d to %s: %w: %s", p.port, s.data, err, tail(out))
	}
	return nil
}

// Promote makes a running standby a primary, and returns when it accepts writes.
func (s *Server) Promote(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.primary == nil {
		return fmt.Errorf("the PostgreSQL on port %d is not a standby", s.port)
	}
	conn, err := pgconn.Connect(ctx, s.URL())
	if err != nil {
		return fmt.Errorf("log in to a standby: %w", err)
	}
	defer conn.Close(ctx)
	// ctx is the limit; PostgreSQL's own is a minute, after which it says false.
	done := conn.ExecParams(ctx, "select pg_promote(true, 3600)", nil, nil, nil, nil).Read()
	if done.Err != nil {
		return fmt.Errorf("promote a standby: %w", done.Err)
	}
	if len(done.Rows) != 1 || string(done.Rows[0][0]) != "t" {
		return errors.New("the standby was not promoted within an hour")
	}
	s.primary = nil
	return nil
}

// Follow makes a stopped server a standby of primary from its next start. It
// must have stopped cleanly, with no write that primary lacks.
func (s *Server) Follow(primary *Server) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.alive() {
		return errors.New("a server that runs cannot be made a standby: stop it first")
	}
	s.primary = primary
	return nil
}
