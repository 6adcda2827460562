// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// accept runs Accept on one end of a pipe and returns the other.
func accept(ctx context.Context, a *auth.Acceptor) (net.Conn, <-chan result) {
	client, conn := net.Pipe()
	done := make(chan result, 1)
	go func() {
		defer conn.Close()
		login, err := a.Accept(ctx, conn)
		done <- result{login, err}
	}()
	return client, done
}

func TestSlowLoginEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	for name, input := range map[string]string{
		"silence":            "",
		"half a packet":      guest[:10],
		"no password":        ann,
		"silence after gss":  gssRequest,
		"half a SASL header": ann + "p\x00",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				defer cancel()
				began := time.Now()
				client, done := accept(ctx, &auth.Acceptor{Users: knownUsers()})
				defer client.Close()
				go func() { _, _ = io.WriteString(client, input) }()
				out, err := io.ReadAll(client)
				if err != nil {
					t.Fatal(err)
				}
				r := <-done
				if code(r.err) != sqlstate.RejectedConnection || !errors.Is(r.err, context.DeadlineExceeded) {
					t.Errorf("got %v", r.err)
				}
				if want := string(wire.AppendError(nil, sqlstate.From(r.err))); len(out) < len(want) || string(out[len(out)-len(want):]) != want {
					t.Errorf("the client read %q, want it to end with %q", out, want)
				}
				if took := time.Since(began); took < 15*time.Second || took > 17*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestSilenceInAHandshakeEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	offer := selfSigned()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		client, done := accept(ctx, &auth.Acceptor{Users: knownUsers(), TLS: offer})
		defer client.Close()
		go func() { _, _ = io.WriteString(client, sslRequest) }()
		if out, err := io.ReadAll(client); string(out) != "S" {
			t.Errorf("got %q, %v", out, err)
		}
		if r := <-done; code(r.err) != sqlstate.RejectedConnection {
			t.Errorf("got %v", r.err)
		}
	})
}

func TestCauseOfTheEndIsWhatTheClientIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		client, done := accept(ctx, &auth.Acceptor{Users: knownUsers()})
		defer client.Close()
		synctest.Wait()
		stopping := &sqlstate.Error{Code: sqlstate.AdminShutdown, Message: "weir is stopping"}
		cancel(stopping)
		out, err := io.ReadAll(client)
		if err != nil {
			t.Fatal(err)
		}
		if e := refusal(t, string(out), ""); e.Severity != "FATAL" || e.Code != "57P01" || e.Message != "weir is stopping" {
			t.Errorf("got %+v", e)
		}
		if r := <-done; !errors.Is(r.err, stopping) {
			t.Errorf("got %v", r.err)
		}
	})
}

func TestLoginIsRefusedWhenThereIsNoPlaceForIt(t *testing.T) {
	t.Parallel()
	full := &sqlstate.Error{Code: sqlstate.TooManyConnections, Message: "too many clients"}
	a := &auth.Acceptor{Users: knownUsers(), Acquire: func(context.Context) (func(), error) { return nil, full }}
	s := listen(t, a, "tcp", "127.0.0.1:0")
	e := refusal(t, exchange(t, s, guest), "")
	if e.Severity != "FATAL" || e.Code != "53300" || e.Message != "too many clients" {
		t.Errorf("got %+v", e)
	}
}

// With room for one login, clients that stop at any point keep nobody out.
func TestClientsThatStopHoldNoPlace(t *testing.T) {
	t.Parallel()
	places := make(chan struct{}, 1)
	var most, held atomic.Int32
	a := &auth.Acceptor{Users: knownUsers(), TLS: selfSigned(), Acquire: func(ctx context.Context) (func(), error) {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		most.Store(max(most.Load(), held.Add(1)))
		return func() { held.Add(-1); <-places }, nil
	}}
	s := listen(t, a, "tcp", "127.0.0.1:0")
	for _, input := range []string{"", "\x00", guest[:9], sslRequest, sslRequest + "\x16\x03\x01", "\x16", ann, ann + "p\x00"} {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, input); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgconn.Connect(t.Context(), dsn(s, "sslmode=require"))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	s.next(t)
	if most.Load() != 1 {
		t.Errorf("%d logins held a place at once", most.Load())
	}
}
