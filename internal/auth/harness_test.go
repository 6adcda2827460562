// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// The one user that users knows, and what it proves itself with.
const (
	user     = "ann"
	password = "secret"
)

// users knows secrets by the name of the user.
type users map[string]auth.Secret

func (u users) Lookup(_, user string) (auth.Secret, bool) {
	s, ok := u[user]
	return s, ok
}

// knownUsers is shared: its keys take a while to derive.
var knownUsers = sync.OnceValue(func() users {
	secret, err := auth.NewPassword(password)
	if err != nil {
		panic(err)
	}
	return users{user: secret, "guest": auth.Trust(), "nobody": {}}
})

// selfSigned is shared for the same reason.
var selfSigned = sync.OnceValue(func() *auth.TLS {
	certificate, err := auth.SelfSigned()
	if err != nil {
		panic(err)
	}
	return auth.NewTLS(certificate, nil, false)
})

// patience is long enough for any login of a test, however slow the machine.
const patience = time.Minute

// result is what Accept answered.
type result struct {
	login *auth.Login
	err   error
}

// server is a listener that logs clients in and, once they are, answers as if
// every message were a query without a result.
type server struct {
	net.Listener
	results chan result // one for each connection, in the order the logins end
	wait    sync.WaitGroup
}

// listen starts a server that ends with the test.
func listen(t *testing.T, a *auth.Acceptor, network, address string) *server {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: l, results: make(chan result, 100)}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.wait.Go(func() { s.serve(ctx, a) })
	t.Cleanup(func() {
		l.Close()
		cancel()
		s.wait.Wait()
	})
	return s
}

func (s *server) serve(ctx context.Context, a *auth.Acceptor) {
	for {
		conn, err := s.Accept()
		if err != nil {
			return
		}
		s.wait.Go(func() {
			defer conn.Close()
			login, err := a.Accept(ctx, conn)
			s.results <- result{login, err}
			if err == nil && login.Cancel == nil {
				answer(ctx, login.Conn)
			}
		})
	}
}

// answer is ReadyForQuery after the login and after each message until the
// client leaves.
func answer(ctx context.Context, conn net.Conn) {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	out := wire.AppendReady(wire.AppendKey(nil, 1, []byte("keys")), wire.Idle)
	for {
		if _, err := conn.Write(out); err != nil {
			return
		}
		var header [wire.HeaderSize]byte
		if _, err := io.ReadFull(conn, header[:]); err != nil || header[0] == wire.Terminate {
			return
		}
		_, size, _, err := wire.Header(header[:])
		if err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(size-wire.HeaderSize)); err != nil {
			return
		}
		out = wire.AppendReady(wire.AppendEmpty(nil, wire.EmptyQueryResponse), wire.Idle)
	}
}

// next waits for the outcome of a login.
func (s *server) next(t *testing.T) result {
	t.Helper()
	select {
	case r := <-s.results:
		return r
	case <-time.After(patience):
		t.Fatal("the login did not end")
		return result{}
	}
}

// code is the SQLSTATE in err's chain, empty if there is none.
func code(err error) sqlstate.Code {
	if e, ok := errors.AsType[*sqlstate.Error](err); ok {
		return e.Code
	}
	return ""
}
