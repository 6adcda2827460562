// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// fake is a server for what a real one will not do on demand. talk has each
// connection in turn, which closes when it returns.
func fake(t *testing.T, talk func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				talk(conn)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// startup reads the first packet, and answers with messages.
func startup(conn net.Conn, messages ...pgproto3.BackendMessage) {
	if begun(conn) {
		tell(conn, messages...)
	}
}

// begun reads the first packet. Who counts logins counts these: a connect that is
// unanswered for half a second, on a machine that stalls, is begun anew.
func begun(conn net.Conn) bool {
	_, err := pgproto3.NewBackend(conn, conn).ReceiveStartupMessage()
	return err == nil
}

func tell(conn net.Conn, messages ...pgproto3.BackendMessage) {
	back := pgproto3.NewBackend(conn, conn)
	for _, message := range messages {
		back.Send(message)
	}
	_ = back.Flush() // the other side has gone: its test says so
}

// untilClosed keeps a connection open for as long as the other side does.
func untilClosed(conn net.Conn) {
	buf := make([]byte, 512)
	for {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}

// fatal is an ErrorResponse with code.
func fatal(code, text string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: text}
}
