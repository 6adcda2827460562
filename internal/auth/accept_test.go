// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/wire"
)

func TestClientsLogIn(t *testing.T) {
	t.Parallel()
	certificate, err := auth.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	acceptors := map[string]*auth.Acceptor{
		"disable": {Users: knownUsers()},
		"allow":   {Users: knownUsers(), TLS: auth.NewTLS(certificate, nil, false)},
		"require": {Users: knownUsers(), TLS: auth.NewTLS(certificate, nil, true)},
	}
	tests := []struct {
		mode, options string
		tls           bool
		version       uint32
		code          string // of the failure; empty for success
	}{
		{"disable", "sslmode=disable", false, wire.Protocol30, ""},
		{"disable", "sslmode=prefer", false, wire.Protocol30, ""},
		{"disable", "sslmode=require", false, 0, "refused"},
		{"allow", "sslmode=disable", false, wire.Protocol30, ""},
		{"allow", "sslmode=prefer", true, wire.Protocol30, ""},
		{"allow", "sslmode=require", true, wire.Protocol30, ""},
		{"allow", "sslmode=require channel_binding=require", true, wire.Protocol30, ""},
		{"allow", "sslmode=require channel_binding=disable", true, wire.Protocol30, ""},
		{"allow", "sslmode=require sslnegotiation=direct channel_binding=require", true, wire.Protocol30, ""},
		{"require", "sslmode=disable", false, 0, "08004"},
		{"require", "sslmode=require channel_binding=require", true, wire.Protocol30, ""},
		{"require", "sslmode=allow", true, wire.Protocol30, ""},
		{"allow", "sslmode=disable max_protocol_version=3.2", false, wire.Protocol32, ""},
		{"allow", "sslmode=require min_protocol_version=3.2 max_protocol_version=3.2", true, wire.Protocol32, ""},
		{"allow", "sslmode=require max_protocol_version=latest channel_binding=require", true, wire.Protocol32, ""},
	}
	for _, tt := range tests {
		t.Run(tt.mode+" "+tt.options, func(t *testing.T) {
			t.Parallel()
			s := listen(t, acceptors[tt.mode], "tcp", "127.0.0.1:0")
			conn, err := pgconn.Connect(t.Context(), dsn(s, tt.options))
			if got := failure(err); got != tt.code {
				t.Fatalf("got failure %q (%v), want %q", got, err, tt.code)
			}
			if err != nil {
				return
			}
			if _, err := conn.Exec(t.Context(), "").ReadAll(); err != nil {
				t.Errorf("first query: %v", err)
			}
			conn.Close(t.Context())
			login := lastLogin(t, s)
			if _, encrypted := login.Conn.(*tls.Conn); encrypted != tt.tls {
				t.Errorf("got TLS %v, want %v", encrypted, tt.tls)
			}
			if login.Protocol != tt.version {
				t.Errorf("got protocol %#x, want %#x", login.Protocol, tt.version)
			}
			if login.User != user || login.Database != "shop" {
				t.Errorf("got user %q of database %q", login.User, login.Database)
			}
		})
	}
}

// dsn is the connection string for user on s.
func dsn(s *server, options string) string {
	host, port, _ := net.SplitHostPort(s.Addr().String())
	return fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=shop application_name=test connect_timeout=60 %s",
		host, port, user, password, options)
}

// failure names how a connection failed: its SQLSTATE, or that it was refused
// before one could be sent.
func failure(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return "refused"
}

// lastLogin skips attempts that failed before the one that did not.
func lastLogin(t *testing.T, s *server) *auth.Login {
	t.Helper()
	for {
		if r := s.next(t); r.err == nil {
			return r.login
		}
	}
}

func TestLoginHasWhatTheClientSaid(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	config, err := pgconn.ParseConfig(dsn(s, "sslmode=disable"))
	if err != nil {
		t.Fatal(err)
	}
	config.Database = ""
	config.RuntimeParams = map[string]string{"options": "-c work_mem=1MB"}
	conn, err := pgconn.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	login := s.next(t).login
	if login.Database != user {
		t.Errorf("got database %q, want the user's name", login.Database)
	}
	if got := fmt.Sprint(login.Params); got != "[{options -c work_mem=1MB}]" {
		t.Errorf("got parameters %s", got)
	}
}

func TestWrongPasswordAndUnknownUserLookTheSame(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	for _, name := range []string{user, "stranger", "nobody", `qu"ote`} {
		t.Run(name, func(t *testing.T) {
			config, err := pgconn.ParseConfig(dsn(s, "sslmode=disable"))
			if err != nil {
				t.Fatal(err)
			}
			config.User, config.Password = name, "wrong"
			_, err = pgconn.ConnectConfig(t.Context(), config)
			e, ok := errors.AsType[*pgconn.PgError](err)
			if !ok {
				t.Fatalf("got %v, want an error of PostgreSQL's form", err)
			}
			want := `password authentication failed for user "` + name + `"`
			if e.Severity != "FATAL" || e.SeverityUnlocalized != "FATAL" || e.Code != "28P01" || e.Message != want {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestTrustedUserNeedsNoPassword(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	conn, err := pgconn.Connect(t.Context(), strings.Replace(dsn(s, "sslmode=disable"), "user="+user, "user=guest", 1))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
}

func TestUnixSocketNeedsNoTLS(t *testing.T) {
	t.Parallel()
	certificate, err := auth.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := &auth.Acceptor{Users: knownUsers(), TLS: auth.NewTLS(certificate, nil, true)}
	s := listen(t, a, "unix", filepath.Join(dir, ".s.PGSQL.5432"))
	conn, err := pgconn.Connect(t.Context(), fmt.Sprintf("host=%s port=5432 user=%s password=%s", dir, user, password))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	if _, encrypted := s.next(t).login.Conn.(*tls.Conn); encrypted {
		t.Error("got TLS on a Unix socket")
	}
}

func TestCancelRequestsAreHandedOver(t *testing.T) {
	t.Parallel()
	for _, sslmode := range []string{"disable", "require"} {
		t.Run(sslmode, func(t *testing.T) {
			t.Parallel()
			s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}, "tcp", "127.0.0.1:0")
			conn, err := pgconn.Connect(t.Context(), dsn(s, "sslmode="+sslmode))
			if err != nil {
				t.Fatal(err)
			}
			s.next(t)
			if err := conn.CancelRequest(t.Context()); err != nil {
				t.Errorf("cancel: %v", err)
			}
			r := s.next(t)
			if r.err != nil || r.login.Cancel == nil {
				t.Fatalf("got %+v, want a cancel", r)
			}
			if r.login.Cancel.PID != 1 || string(r.login.Cancel.Key) != "keys" {
				t.Errorf("got %+v", r.login.Cancel)
			}
			conn.Close(t.Context())
		})
	}
}

func TestReplacedCertificateIsServedAndBoundTo(t *testing.T) {
	t.Parallel()
	first, err := auth.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	second, err := auth.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	offer := auth.NewTLS(first, nil, false)
	s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: offer}, "tcp", "127.0.0.1:0")
	for _, want := range []*tls.Certificate{first, second} {
		offer.Replace(want)
		conn, err := pgconn.Connect(t.Context(), dsn(s, "sslmode=require channel_binding=require"))
		if err != nil {
			t.Fatal(err)
		}
		seen := conn.Conn().(*tls.Conn).ConnectionState().PeerCertificates[0]
		if !seen.Equal(want.Leaf) {
			t.Error("got another certificate")
		}
		conn.Close(t.Context())
	}
}

// TestPsqlLogsIn covers libpq where pgx's behaviour differs.
func TestPsqlLogsIn(t *testing.T) {
	t.Parallel()
	psql := testpg.Program(t, "psql")
	s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}, "tcp", "127.0.0.1:0")
	tests := []struct{ options, user, says string }{
		{"sslmode=disable", user, ""},
		{"sslmode=prefer", user, ""},
		{"sslmode=require channel_binding=require", user, ""},
		{"sslmode=require channel_binding=disable", user, ""},
		{"sslmode=require", "guest", ""},
		{"sslmode=require", "stranger", `FATAL:  password authentication failed for user "stranger"`},
	}
	for _, tt := range tests {
		t.Run(tt.options+" "+tt.user, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			at := strings.Replace(dsn(s, tt.options), "user="+user, "user="+tt.user, 1)
			cmd := exec.CommandContext(ctx, psql, "-X", "-w", "-c", ";", at)
			out, err := cmd.CombinedOutput()
			if (err != nil) != (tt.says != "") || !strings.Contains(string(out), tt.says) {
				t.Errorf("got %v: %s, want %q", err, out, tt.says)
			}
		})
	}
}
