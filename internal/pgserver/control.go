// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// errPortTaken says that another program listens on the server's port.
var errPortTaken = errors.New("the port is in use")

// Start starts a stopped or crashed server again, on the same port and data,
// and returns when it accepts connections.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startLocked(ctx)
}

// Stop stops the server and returns when all its processes have ended. A
// server that does not run stays so.
func (s *Server) Stop(mode Mode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopLocked(mode)
}

// Restart is Stop and Start.
func (s *Server) Restart(ctx context.Context, mode Mode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stopLocked(mode); err != nil {
		return err
	}
	return s.startLocked(ctx)
}

// PID is the process id of the postmaster, 0 while none runs.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || !s.process.alive() {
		return 0
	}
	return s.process.cmd.Process.Pid
}

func (s *Server) stopLocked(mode Mode) error {
	if s.process == nil {
		return nil
	}
	return s.process.stop(mode)
}

func (s *Server) startLocked(ctx context.Context) error {
	switch {
	case s.closed:
		return errors.New("this PostgreSQL was closed: start a new one")
	case s.process != nil && s.process.alive():
		return fmt.Errorf("PostgreSQL runs already (process %d)", s.process.cmd.Process.Pid)
	case s.process != nil:
		// The backends of a postmaster that was killed need a moment to notice.
		if err := s.process.stop(Immediate); err != nil {
			return err
		}
	}
	if err := s.configure(); err != nil {
		return err
	}
	return s.run(ctx)
}

// run starts the postmaster and waits until it is ready. On failure nothing
// runs, and the error quotes the log.
func (s *Server) run(ctx context.Context) error {
	path := filepath.Join(s.data, logFile)
	log, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of PostgreSQL: %w", err)
	}
	defer log.Close()
	if err := s.account.own(path); err != nil { // pg_basebackup copies it
		return err
	}

	cmd := s.account.command(s.temporary, filepath.Join(s.bin, "postgres"), "-D", s.data)
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = launch(cmd); err != nil {
		return err
	}
	if err := s.watcher.tell(cmd.Process.Pid); err != nil {
		return errors.Join(err, s.process.stop(Immediate))
	}
	if err := ready(ctx, s.process, s.data); err != nil {
		return s.failed(err, path)
	}
	return nil
}

// failed ends a start that did not come to anything.
func (s *Server) failed(err error, log string) error {
	stop := s.process.stop(Immediate)
	text, _ := os.ReadFile(log) // without it the error is shorter
	if bytes.Contains(text, []byte("Address already in use")) {
		err = errPortTaken
	}
	return errors.Join(fmt.Errorf("PostgreSQL %s on port %d with the data in %s: %w: %s",
		s.version, s.port, s.data, err, tail(text)), stop)
}

// Leave closes a connection, and returns when its backend has gone: until then it
// counts for limits on connections, and pg_stat_activity shows it. PostgreSQL
// leaves the closing of the socket to the end of the process (socket_close in
// src/backend/libpq/pqcomm.c).
func Leave(ctx context.Context, conn *pgconn.PgConn) {
	h, err := conn.Hijack()
	if err != nil { // it is closed, or busy
		_ = conn.Close(ctx)
		return
	}
	defer h.Conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = h.Conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	h.Frontend.Send(&pgproto3.Terminate{})
	if h.Frontend.Flush() == nil {
		_, _ = io.Copy(io.Discard, h.Conn) // how it ends is all the same
	}
}

// ensureDatabase logs in, which checks the password of a kept cluster, and
// makes the database if it is missing. It uses the Unix socket, because the
// caller's rules may want of TCP what we do not have, a client's certificate.
func (s *Server) ensureDatabase(ctx context.Context) error {
	config, err := pgconn.ParseConfig(s.URL())
	if err != nil {
		return fmt.Errorf("URL of the private PostgreSQL: %w", err)
	}
	config.Host, config.TLSConfig, config.Fallbacks = s.SocketDir(), nil, nil
	config.Database = "postgres"
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("log in to the private PostgreSQL as %s: %w", s.opts.User, err)
	}
	defer Leave(ctx, conn)

	exists := conn.ExecParams(ctx, "select from pg_database where datname = $1",
		[][]byte{[]byte(s.opts.Database)}, nil, nil, nil).Read()
	if exists.Err != nil {
		return fmt.Errorf("look for database %s: %w", s.opts.Database, exists.Err)
	}
	if len(exists.Rows) > 0 {
		return nil
	}
	create := "create database " + pgx.Identifier{s.opts.Database}.Sanitize()
	if _, err := conn.Exec(ctx, create).ReadAll(); err != nil {
		return fmt.Errorf("create database %s: %w", s.opts.Database, err)
	}
	return nil
}
