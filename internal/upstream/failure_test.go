// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/upstream"
)

// wantFailure checks what err means, what a client is told, and that both
// texts contain part and no password.
func wantFailure(t *testing.T, err error, failure upstream.Failure, code sqlstate.Code, part string) {
	t.Helper()
	if got := upstream.Classify(err); got != failure {
		t.Errorf("failure = %v, want %v: %v", got, failure, err)
	}
	told := sqlstate.From(err)
	if told.Code != code {
		t.Errorf("code = %s, want %s: %v", told.Code, code, err)
	}
	for _, text := range []string{err.Error(), told.Message} {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
		if strings.Contains(text, secret) {
			t.Errorf("%q contains the password", text)
		}
		if strings.Contains(text, "\n") {
			t.Errorf("%q is not one line", text)
		}
	}
}

const secret = "hunter2"

func TestRealRefusals(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	role := testpg.Role(t, testpg.Database(t, admin), "connection limit 1")
	name := target(t, role).User()

	t.Run("wrong password", func(t *testing.T) {
		t.Parallel()
		err := refused(t, as(t, admin, "postgres", secret))
		wantFailure(t, err, upstream.Rejected, sqlstate.InvalidPassword, `password authentication failed for user "postgres"`)
		if detail := sqlstate.From(err).Detail; !strings.Contains(detail, target(t, admin).Address()) {
			t.Errorf("detail %q does not name the host", detail)
		}
	})
	t.Run("no such database", func(t *testing.T) {
		t.Parallel()
		_, err := target(t, admin).With("no_such", "", "").Login(within(t), nil)
		wantFailure(t, err, upstream.Rejected, sqlstate.InvalidCatalogName, `database "no_such" does not exist`)
	})
	t.Run("role is full", func(t *testing.T) {
		t.Parallel()
		login(t, role, nil)
		wantFailure(t, refused(t, role), upstream.Full, sqlstate.TooManyConnections, `too many connections for role "`+name+`"`)
	})
	t.Run("may not connect", func(t *testing.T) {
		t.Parallel()
		dsn := testpg.Database(t, admin)
		database := target(t, dsn).Database()
		testpg.Exec(t, admin, "revoke connect on database "+database+" from public")
		_, err := target(t, testpg.Role(t, admin, "")).With(database, "", "").Login(within(t), nil)
		wantFailure(t, err, upstream.Rejected, "42501", "permission denied for database")
	})
}

func TestServerIsFull(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{Settings: map[string]string{
		"max_connections": "5", "superuser_reserved_connections": "3",
	}})
	role := testpg.Role(t, server.URL(), "")
	login(t, role, nil)
	// A connection that ends is given back only after its backend has gone.
	err := errors.New("none")
	var open []*upstream.Login
	for range 3 {
		var l *upstream.Login
		if l, err = target(t, role).Login(within(t), nil); err != nil {
			break
		}
		open = append(open, l)
	}
	if err == nil {
		t.Fatal("more connections than the server has")
	}
	wantFailure(t, err, upstream.Full, sqlstate.TooManyConnections, "connection")
	if got := upstream.FullScope(err); got != upstream.ServerScope {
		t.Errorf("scope: got %d of %v, want the server's", got, err)
	}
	for _, l := range open {
		l.Stream.Close()
	}
	if _, err := target(t, role).Limits(within(t), nil); err != nil && upstream.Classify(err) != upstream.Full {
		t.Errorf("limits: %v", err)
	}
}

func TestAFullServerSaysWhoseLimitItIs(t *testing.T) {
	t.Parallel()
	admin := testpg.Database(t, testpg.URL(t))
	database := target(t, admin).Database()
	for _, test := range []struct {
		name string
		dsn  string
		want upstream.Scope
	}{
		{"role", testpg.Role(t, admin, "connection limit 0"), upstream.RoleScope},
		{"database", testpg.Role(t, admin, ""), upstream.DatabaseScope},
	} {
		if test.want == upstream.DatabaseScope {
			testpg.Exec(t, admin, "alter database "+database+" connection limit 0")
		}
		err := refused(t, test.dsn)
		if got := upstream.FullScope(err); upstream.Classify(err) != upstream.Full || got != test.want {
			t.Errorf("%s: got %d of %v, want %d", test.name, got, err, test.want)
		}
	}
	if got := upstream.FullScope(refused(t, as(t, admin, "nobody", ""))); got != upstream.AnyScope {
		t.Errorf("a refusal of another kind: got %d, want none", got)
	}
}

func TestServersThatFail(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		talk    func(net.Conn)
		sslmode string
		failure upstream.Failure
		code    sqlstate.Code
		part    string
	}{
		{
			"closes at once", func(net.Conn) {}, "disable",
			upstream.Down, sqlstate.ConnectionFailure, "cannot reach PostgreSQL at ",
		},
		{
			"closes during login", func(conn net.Conn) { startup(conn) }, "disable",
			upstream.Down, sqlstate.ConnectionFailure, "it closed the connection during login",
		},
		{
			"is starting up", func(conn net.Conn) { startup(conn, fatal("57P03", "the database system is starting up")) }, "disable",
			upstream.Down, sqlstate.ConnectionFailure, "the database system is starting up",
		},
		{
			"was shut down by an administrator", func(conn net.Conn) { startup(conn, fatal("57P01", "terminating")) }, "disable",
			upstream.Down, sqlstate.ConnectionFailure, "terminating",
		},
		{
			"has no slot", func(conn net.Conn) { startup(conn, fatal("53300", "sorry, too many clients already")) }, "prefer",
			upstream.Full, sqlstate.TooManyConnections, "too many clients",
		},
		{
			"has no rule for us", func(conn net.Conn) { startup(conn, fatal("28000", "no pg_hba.conf entry")) }, "disable",
			upstream.Rejected, sqlstate.InvalidAuthorization, "no pg_hba.conf entry",
		},
		{
			"is a pooler without the database", func(conn net.Conn) { startup(conn, fatal("08P01", "no such database")) }, "disable",
			upstream.Rejected, sqlstate.ProtocolViolation, "no such database",
		},
		{
			"has no TLS", func(conn net.Conn) {
				startup(conn)
				_, _ = conn.Write([]byte("N"))
			}, "require",
			upstream.Rejected, sqlstate.ConnectionFailure, "server refused TLS connection",
		},
		{
			"is no PostgreSQL", func(conn net.Conn) {
				startup(conn)
				_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			}, "disable",
			upstream.Rejected, sqlstate.ConnectionFailure, "cannot log in to PostgreSQL at ",
		},
		{
			"announces a message of 2 GB", func(conn net.Conn) {
				startup(conn)
				_, _ = conn.Write(binary.BigEndian.AppendUint32([]byte("R"), 1<<31-1))
				untilClosed(conn)
			}, "disable",
			upstream.Rejected, sqlstate.ConnectionFailure, "cannot log in to PostgreSQL at ",
		},
		{
			"wants a method we do not have", func(conn net.Conn) {
				startup(conn, &pgproto3.AuthenticationSASL{AuthMechanisms: []string{"SCRAM-SHA-3"}})
				untilClosed(conn)
			}, "disable",
			upstream.Rejected, sqlstate.ConnectionFailure, "server does not support SCRAM-SHA-256",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			address := fake(t, test.talk)
			err := refused(t, "postgres://bob:"+secret+"@"+address+"/shop?sslmode="+test.sslmode)
			wantFailure(t, err, test.failure, test.code, test.part)
			for _, word := range []string{address, `"shop"`, `"bob"`} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not name %s", err, word)
				}
			}
		})
	}
}

func TestServerThatNeverAnswers(t *testing.T) {
	t.Parallel()
	address := fake(t, untilClosed)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := target(t, "postgres://bob:"+secret+"@"+address+"/shop").Login(ctx, nil)
	wantFailure(t, err, upstream.Down, sqlstate.ConnectionFailure, "cannot reach PostgreSQL at "+address+": no answer in time")
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	address := testpg.Nobody(t)
	err := refused(t, "postgres://bob:"+secret+"@"+address+"/shop")
	wantFailure(t, err, upstream.Down, sqlstate.ConnectionFailure, "cannot reach PostgreSQL at "+address+": connection refused")
	if got, want := sqlstate.From(err).Message, "cannot reach PostgreSQL at "+address+": connection refused"; got != want {
		t.Errorf("message = %q, want %q", got, want)
	}
}

func TestEveryHostIsNamed(t *testing.T) {
	t.Parallel()
	one, two := testpg.Nobody(t), fake(t, func(net.Conn) {})
	err := refused(t, "postgres://bob:"+secret+"@"+one+","+two+"/shop?sslmode=disable")
	wantFailure(t, err, upstream.Down, sqlstate.ConnectionFailure, one+" (connection refused) or "+two)
}

func TestNameThatDoesNotResolve(t *testing.T) {
	t.Parallel()
	// With an empty label no server is asked, which may take its time.
	err := refused(t, "postgres://bob:"+secret+"@weir..invalid/shop")
	wantFailure(t, err, upstream.Down, sqlstate.ConnectionFailure, "weir..invalid:5432: its name does not resolve")
}

// PostgreSQL's answer counts for more than a neighbour's silence: localhost is
// often two addresses, and only one of them listens.
func TestAnswerBeatsSilence(t *testing.T) {
	t.Parallel()
	answers := fake(t, func(conn net.Conn) { startup(conn, fatal("28000", "no pg_hba.conf entry")) })
	for _, list := range []string{testpg.Nobody(t) + "," + answers, answers + "," + testpg.Nobody(t)} {
		err := refused(t, "postgres://bob:"+secret+"@"+list+"/shop?sslmode=disable")
		wantFailure(t, err, upstream.Rejected, sqlstate.InvalidAuthorization, "no pg_hba.conf entry")
	}
}

// Of several hosts' answers the most telling one counts, in either order.
func TestMostTellingAnswer(t *testing.T) {
	t.Parallel()
	says := func(code string) string {
		return fake(t, func(conn net.Conn) { startup(conn, fatal(code, "because of "+code)) })
	}
	for _, test := range []struct {
		name        string
		winner      string
		loser       string
		wantFailure upstream.Failure
	}{
		{"wrong password over full", "28P01", "53300", upstream.Rejected},
		{"full over starting up", "53300", "57P03", upstream.Full},
		{"starting up over no rule", "57P03", "28000", upstream.Down},
		{"disk full over no rule", "53100", "28000", upstream.Down},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			one, two := says(test.winner), says(test.loser)
			for _, list := range []string{one + "," + two, two + "," + one} {
				err := refused(t, "postgres://bob:"+secret+"@"+list+"/shop?sslmode=disable")
				if got := upstream.Classify(err); got != test.wantFailure {
					t.Errorf("failure = %v, want %v", got, test.wantFailure)
				}
				if want := "because of " + test.winner; !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestFailureNames(t *testing.T) {
	t.Parallel()
	for failure, want := range map[upstream.Failure]string{
		upstream.Down: "down", upstream.Full: "full", upstream.Rejected: "rejected", upstream.Local: "local",
	} {
		if got := failure.String(); got != want {
			t.Errorf("name = %q, want %q", got, want)
		}
	}
}

// What this machine lacks is no outage of PostgreSQL's. Of a name's several
// addresses one that was not tried for want of a descriptor counts before one that
// refused, and one that this machine has no such address for after it.
func TestLackOfDescriptorsIsLocal(t *testing.T) {
	t.Parallel()
	dial := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", errno)}
	}
	resolver := &net.DNSError{Err: "dial udp 10.0.0.1:53: socket: too many open files", Name: "db"}
	for _, test := range []struct {
		name   string
		errs   []error
		want   upstream.Failure
		saying string
	}{
		{"no descriptor", []error{dial(syscall.EMFILE)}, upstream.Local, "raise its limit on open files (ulimit -n"},
		{"none on the machine", []error{dial(syscall.ENFILE)}, upstream.Local, "raise fs.file-max"},
		{"no port", []error{dial(syscall.EADDRNOTAVAIL)}, upstream.Local, "ip_local_port_range"},
		{"no memory", []error{dial(syscall.ENOBUFS)}, upstream.Local, "no memory left"},
		{"none for the resolver", []error{resolver}, upstream.Local, "raise its limit on open files"},
		{"refused by another address", []error{dial(syscall.ECONNREFUSED), dial(syscall.EMFILE)}, upstream.Local, "ulimit -n"},
		{"an address of no kind that this machine has", []error{dial(syscall.EADDRNOTAVAIL), dial(syscall.ECONNREFUSED)}, upstream.Down, "connection refused"},
		{"refused", []error{dial(syscall.ECONNREFUSED)}, upstream.Down, "connection refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := upstream.Failed("db:5432", test.errs...)
			if got := upstream.Classify(err); got != test.want || !strings.Contains(err.Error(), test.saying) {
				t.Errorf("%v is %v, want %v with %q", err, got, test.want, test.saying)
			}
			if e := sqlstate.From(err); test.want == upstream.Local && (e.Code != sqlstate.TooManyConnections || !strings.Contains(e.Message, test.saying)) {
				t.Errorf("clients are told %v", e)
			}
		})
	}
}

// A wrong password is wrong on every host: one login, not one each.
func TestWrongPasswordIsTriedOnce(t *testing.T) {
	t.Parallel()
	logins := make(chan struct{}, 10)
	address := fake(t, func(conn net.Conn) {
		if begun(conn) {
			logins <- struct{}{}
			tell(conn, fatal("28P01", "password authentication failed"))
		}
	})
	_ = refused(t, "postgres://bob:"+secret+"@"+address+","+address+"/shop?sslmode=disable")
	if got := len(logins); got != 1 {
		t.Errorf("%d logins, want 1", got)
	}
}

// A login that fails costs the server one connection: pgconn would open a
// second one to cancel it.
func TestFailedLoginDialsOnce(t *testing.T) {
	t.Parallel()
	dials := make(chan struct{}, 10)
	address := fake(t, func(conn net.Conn) {
		if begun(conn) {
			dials <- struct{}{}
		}
	})
	_ = refused(t, "postgres://bob:"+secret+"@"+address+"/shop?sslmode=disable")
	_ = refused(t, "postgres://bob:"+secret+"@"+address+"/shop?sslmode=disable")
	if got := len(dials); got != 2 {
		t.Errorf("%d connections for two logins", got)
	}
}
