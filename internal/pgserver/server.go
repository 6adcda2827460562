// SPDX-License-Identifier: Apache-2.0

// Package pgserver runs a private PostgreSQL: for `weir dev`, and for tests,
// which stop and restart it at will. It uses a server that is installed, or
// fetches a packaged one, and leaves nothing behind when this process ends,
// however it ends, except a data folder that the caller named.
package pgserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// Options says what server to run. The zero value is any version that is
// installed, on a free port, with data that is removed on Close.
type Options struct {
	Data    string // folder to keep data in, made if missing; "" is a temporary one
	Bin     string // folder of the server's binaries; "" searches as Find does
	Port    int    // TCP port on 127.0.0.1; 0 is a free one, the same until Close
	Version string // major version, such as "17"; "" is that of Data, or any
	Fetch   bool   // get a packaged server if none of the version is installed

	User     string // the superuser; "" is postgres
	Password string // "" is a random one, remembered in Data
	Database string // made if missing; "" is postgres

	Settings map[string]string // of postgresql.conf; they win over weir's own
	HBA      []string          // lines of pg_hba.conf, before the usual ones
	TLS      bool              // with a certificate of its own, see RootCert

	// Primary makes the server a standby of this one, which must run: a copy of
	// it, with its user, password and database, that follows it. It needs
	// pg_basebackup beside the server's binaries, and no Data.
	Primary *Server

	Logger *slog.Logger // nil logs nothing
}

// Mode is how a running server is stopped.
type Mode string

const (
	// Fast rolls back what runs, tells clients 57P01 and writes a checkpoint.
	Fast Mode = "fast"
	// Immediate is a crash: the next start recovers from the log.
	Immediate Mode = "immediate"
)

// Server is a running, or stopped, PostgreSQL of our own. Its methods may be
// called from several goroutines.
type Server struct {
	// Fixed after Start.
	opts      Options // with defaults filled in
	log       *slog.Logger
	account   *account
	bin       string
	version   string
	data      string
	temporary string // owned by us: the sockets, and data unless it is kept
	port      int
	watcher   *watcher

	mu      sync.Mutex // held through starts and stops
	process *process   // nil before the first start
	primary *Server    // the server that this one follows, nil if it is a primary
	closed  bool
}

// Start runs a server and returns when it accepts connections. ctx bounds the
// start, a fetch included, not the server's life. The error quotes the end of
// PostgreSQL's log.
func Start(ctx context.Context, opts Options) (*Server, error) {
	s := &Server{opts: opts, primary: opts.Primary, log: cmp.Or(opts.Logger, slog.New(slog.DiscardHandler))}
	if p := s.primary; p != nil {
		s.opts.User, s.opts.Password, s.opts.Database = p.opts.User, p.opts.Password, p.opts.Database
		s.opts.Version = cmp.Or(opts.Version, majorOf(p.version))
	}
	s.opts.User = cmp.Or(opts.User, "postgres")
	s.opts.Database = cmp.Or(opts.Database, "postgres")
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.firstStart(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.ensureDatabase(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.log.Info("PostgreSQL runs", "version", s.version, "port", s.port, "data", s.data)
	return s, nil
}

// prepare does what is done once: account, binaries, folders, cluster.
func (s *Server) prepare(ctx context.Context) (err error) {
	if s.account, err = newAccount(); err != nil {
		return err
	}
	if s.temporary, err = s.account.temporary(); err != nil {
		return err
	}
	fresh, err := s.openData()
	if err != nil {
		return err
	}
	if err := s.locate(ctx); err != nil {
		return err
	}
	if s.watcher, err = watch(s.account, filepath.Join(s.bin, "pg_ctl"), s.data, s.temporary); err != nil {
		return err
	}
	switch {
	case fresh && s.primary != nil:
		err = s.clone()
	case fresh:
		err = s.initialize()
	default:
		err = s.recallPassword()
	}
	if err != nil {
		return err
	}
	if s.opts.TLS {
		return s.certify()
	}
	return nil
}

// openData settles the data folder and reports whether it still needs a
// cluster. An existing cluster decides the version where the caller did not.
func (s *Server) openData() (fresh bool, err error) {
	if s.opts.Data == "" {
		s.data = filepath.Join(s.temporary, "data")
	} else if s.data, err = filepath.Abs(s.opts.Data); err != nil {
		return false, fmt.Errorf("data folder %s: %w", s.opts.Data, err)
	}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return false, fmt.Errorf("data folder: %w", err)
	}
	major, err := clusterMajor(s.data)
	if err != nil {
		return false, err
	}
	if major == "" {
		if err := s.account.own(s.data); err != nil {
			return false, err
		}
		s.opts.Password = cmp.Or(s.opts.Password, rand.Text())
	} else if s.opts.Version = cmp.Or(s.opts.Version, major); s.opts.Version != major {
		return false, fmt.Errorf("%s holds data of PostgreSQL %s, which version %s cannot read: name another folder", s.data, major, s.opts.Version)
	}
	return major == "", s.account.reach(s.data)
}

// locate finds the binaries, or fetches them.
func (s *Server) locate(ctx context.Context) (err error) {
	s.bin, s.version, err = find(s.opts.Bin, s.opts.Version)
	if errors.Is(err, ErrNotFound) && s.opts.Fetch {
		s.log.Info("no PostgreSQL found, fetching one", "version", cmp.Or(s.opts.Version, newest))
		if s.bin, err = Fetch(ctx, s.opts.Version); err == nil {
			s.version, err = inspect(s.bin)
		}
	}
	if err != nil {
		return err
	}
	return s.account.reach(s.bin)
}

// recallPassword reads what initialize kept, unless the caller gave one.
func (s *Server) recallPassword() error {
	if s.opts.Password != "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(s.data, passwordFile))
	if err != nil {
		return fmt.Errorf("password of user %s of the data in %s: %w", s.opts.User, s.data, err)
	}
	s.opts.Password = strings.TrimSpace(string(text))
	return nil
}

// portTries bounds how often another free port is taken because a program was
// faster to use the one before.
const portTries = 5

// firstStart settles the port and starts.
func (s *Server) firstStart(ctx context.Context) error {
	if s.port = s.opts.Port; s.port != 0 {
		return s.Start(ctx)
	}
	var err error
	for range portTries {
		if s.port, err = FreePort(); err != nil {
			return err
		}
		if err = s.Start(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

// The ports that FreePort gives. Systems take those above for whoever asks for
// any: Linux from 32768 on, the others from 49152 on. One of these stays free
// while its program is restarted.
const (
	firstFreePort = 20000
	lastFreePort  = 32767
)

// FreePort returns a port of 127.0.0.1 that nobody listened on a moment ago, for
// a program that cannot be told to choose one itself. Another program takes it
// first only if it was told this very number.
func FreePort() (port int, err error) {
	for range 100 {
		port = firstFreePort + mathrand.IntN(lastFreePort-firstFreePort+1)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1: %w", err)
}

// Close stops the server and removes what is temporary. It works on a server
// that has crashed, and does nothing the second time.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	if s.process != nil {
		errs = append(errs, s.process.stop(Fast))
	}
	if s.watcher != nil {
		s.watcher.dismiss()
	}
	if s.temporary != "" {
		errs = append(errs, os.RemoveAll(s.temporary))
	}
	return errors.Join(errs...)
}

// URL is for libpq and every driver: the superuser, with the password, over
// TCP, with TLS verified if the server has it.
func (s *Server) URL() string {
	query := url.Values{"sslmode": {"disable"}}
	if s.opts.TLS {
		query = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.RootCert()}}
	}
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(s.opts.User, s.opts.Password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     s.opts.Database,
		RawQuery: query.Encode(),
	}
	return u.String()
}

// Dir is the data folder.
func (s *Server) Dir() string { return s.data }

// SocketDir is the folder of the Unix socket, for host= in a URL.
func (s *Server) SocketDir() string { return s.temporary }

// Port is the TCP port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Version is the server's full version, such as "15.18".
func (s *Server) Version() string { return s.version }
