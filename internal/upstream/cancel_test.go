// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/upstream"
)

// cancels checks that l's query can be cancelled, and that the connection
// works on.
func cancels(t *testing.T, l *upstream.Login) {
	t.Helper()
	// A cancel that comes before the query is lost, hence the loop; one that
	// comes after it must not hit the next query, which the last lines check.
	send(t, l.Stream, "select pg_sleep(600)")
	ctx := within(t)
	done := make(chan string, 1)
	go func() { done <- answer(t, l.Stream) }()
	for {
		if err := l.Cancel(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-done:
			if got != "57014" {
				t.Errorf("cancelled query answered %q, want 57014", got)
			}
			if got := ask(t, l.Stream, "select 1"); got != "1" {
				t.Errorf("after the cancel: %q, want 1", got)
			}
			return
		case <-ctx.Done():
			t.Fatal("the query was not cancelled")
		default:
		}
	}
}

func TestCancelInPlainText(t *testing.T) {
	t.Parallel()
	cancels(t, login(t, testpg.URL(t), nil))
}

// PostgreSQL 18 gives protocol 3.2 and a key of 32 bytes; older ones negotiate
// down to 3.0 and 4 bytes.
func TestCancelWithTheLongKeyOfProtocol32(t *testing.T) {
	t.Parallel()
	l := login(t, edit(t, testpg.URL(t), "max_protocol_version", "3.2"), nil)
	want := 4
	if version := limits(t, testpg.URL(t)).Version; version >= 180000 {
		want = 32
	}
	if len(l.Key) != want {
		t.Errorf("key of %d bytes, want %d", len(l.Key), want)
	}
	cancels(t, l)
}

// A server that accepts the request and never closes has not confirmed it.
func TestCancelWithoutConfirmationIsAnError(t *testing.T) {
	t.Parallel()
	address := fake(t, func(conn net.Conn) {
		startup(conn, &pgproto3.AuthenticationOk{},
			&pgproto3.BackendKeyData{ProcessID: 7, SecretKey: []byte("four")},
			&pgproto3.ReadyForQuery{TxStatus: 'I'})
		untilClosed(conn)
	})
	l := login(t, "postgres://bob:p@"+address+"/shop?sslmode=disable", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Cancel(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want context.Canceled", err)
	}
}
