// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// raw is a client that speaks the protocol message by message.
type raw struct {
	net.Conn
	front  *pgproto3.Frontend
	pid    uint32
	secret []byte
}

// hijack makes a raw client of one that a driver has logged in.
func hijack(t testing.TB, conn *pgconn.PgConn) *raw {
	t.Helper()
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() })
	setDeadline(t, h.Conn)
	return &raw{Conn: h.Conn, front: h.Frontend, pid: h.PID, secret: h.SecretKey}
}

// dial connects and says nothing.
func (g *gateway) dial(t testing.TB) *raw {
	t.Helper()
	conn, err := net.DialTimeout("tcp", g.Addr().String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	setDeadline(t, conn)
	return &raw{Conn: conn, front: pgproto3.NewFrontend(conn, conn)}
}

func setDeadline(t testing.TB, conn net.Conn) {
	t.Helper()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

// renew gives the next step its own time: a test may have many. That the
// connection is closed is for the step to find.
func (r *raw) renew() { _ = r.SetDeadline(time.Now().Add(patience)) }

// send writes messages in one write.
func (r *raw) send(t testing.TB, messages ...pgproto3.FrontendMessage) {
	t.Helper()
	r.renew()
	for _, m := range messages {
		r.front.Send(m)
	}
	if err := r.front.Flush(); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// write writes bytes that need not be messages. That weir has closed the
// connection is no failure: it may, at once.
func (r *raw) write(t testing.TB, b []byte) {
	t.Helper()
	r.renew()
	_, err := r.Write(b)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		t.Fatalf("write of %d bytes: %v", len(b), err)
	}
}

// query sends a simple query.
func (r *raw) query(t testing.TB, sql string) {
	t.Helper()
	r.send(t, &pgproto3.Query{String: sql})
}

// transcript reads up to n ReadyForQuery, or the end of the stream, and returns
// what came, one word for each message: "T D C Z(I)", errors with their code,
// "E(22012)". The end of the stream is "EOF". Notices, parameters and the like
// are left out, because they come at any time.
func (r *raw) transcript(t testing.TB, n int) string {
	t.Helper()
	return r.listen(t, func(m pgproto3.BackendMessage) bool {
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			n--
		}
		return n == 0
	})
}

// transcriptOf reads n messages that have a word.
func (r *raw) transcriptOf(t testing.TB, n int) string {
	t.Helper()
	return r.listen(t, func(pgproto3.BackendMessage) bool {
		n--
		return n == 0
	})
}

// listen writes down messages that have a word up to the one that is the last.
func (r *raw) listen(t testing.TB, last func(pgproto3.BackendMessage) bool) string {
	t.Helper()
	r.renew()
	var words []string
	for {
		m, err := r.front.Receive()
		if err != nil {
			return strings.Join(append(words, ending(t, err)), " ")
		}
		if w := word(m); w != "" {
			words = append(words, w)
			if last(m) {
				return strings.Join(words, " ")
			}
		}
	}
}

// ending is the word for the end of a stream.
func ending(t testing.TB, err error) string {
	t.Helper()
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		t.Errorf("the connection neither answers nor ends")
		return "silence"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "EOF"
	}
	return "reset"
}

// word is a message in a transcript.
func word(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.ErrorResponse:
		return "E(" + m.Code + ")"
	case *pgproto3.ReadyForQuery:
		return "Z(" + string(m.TxStatus) + ")"
	case *pgproto3.ParseComplete:
		return "1"
	case *pgproto3.BindComplete:
		return "2"
	case *pgproto3.CloseComplete:
		return "3"
	case *pgproto3.RowDescription:
		return "T"
	case *pgproto3.DataRow:
		return "D"
	case *pgproto3.CommandComplete:
		return "C"
	case *pgproto3.NoData:
		return "n"
	case *pgproto3.EmptyQueryResponse:
		return "I"
	case *pgproto3.CopyInResponse:
		return "G"
	}
	return ""
}

// failure reads up to an ErrorResponse and returns it.
func (r *raw) failure(t testing.TB) *pgproto3.ErrorResponse {
	t.Helper()
	r.renew()
	for {
		m, err := r.front.Receive()
		if err != nil {
			t.Fatalf("the connection ended without an error message: %v", err)
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			copied := *e
			return &copied
		}
	}
}

// ends reports how the stream ends: everything up to then is dropped.
func (r *raw) ends(t testing.TB) string {
	t.Helper()
	r.renew()
	_, err := io.Copy(io.Discard, r.Conn)
	if err == nil {
		return "EOF"
	}
	return ending(t, err)
}

// asPgError is errors.As for PostgreSQL's errors.
func asPgError(err error, e **pgconn.PgError) bool { return errors.As(err, e) }

// extended is a Parse, Bind, Execute of the unnamed statement, without a Sync.
func extended(sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{
		&pgproto3.Parse{Query: sql}, &pgproto3.Bind{}, &pgproto3.Execute{},
	}
}

// group is extended with its Sync.
func group(sql string) []pgproto3.FrontendMessage {
	return append(extended(sql), &pgproto3.Sync{})
}
