// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

// packet is a start-up packet: its length, a code and a body.
func packet(code uint32, body string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return string(binary.BigEndian.AppendUint32(b, code)) + body
}

var (
	sslRequest = packet(wire.SSLCode, "")
	gssRequest = packet(wire.GSSCode, "")
	guest      = packet(wire.Protocol30, "user\x00guest\x00\x00")
	ann        = packet(wire.Protocol30, "user\x00ann\x00\x00")
)

// okay is AuthenticationOk followed by what answer sends first.
const okay = "R\x00\x00\x00\x08\x00\x00\x00\x00K\x00\x00\x00\x0c\x00\x00\x00\x01keysZ\x00\x00\x00\x05I"

// exchange sends all of input at once, and no more, and returns what comes back.
func exchange(t *testing.T, s *server, input string) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, input); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// refusal is the error message that output consists of, after prefix.
func refusal(t *testing.T, output, prefix string) *pgproto3.ErrorResponse {
	t.Helper()
	rest, ok := strings.CutPrefix(output, prefix)
	if !ok || len(rest) < wire.HeaderSize || rest[0] != wire.ErrorResponse {
		t.Fatalf("got %q, want %q and an error", output, prefix)
	}
	var e pgproto3.ErrorResponse
	if err := e.Decode([]byte(rest[wire.HeaderSize:])); err != nil {
		t.Fatalf("got %q: %v", output, err)
	}
	return &e
}

func TestStartIsAnsweredAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	offering := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}, "tcp", "127.0.0.1:0")
	silent := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	tests := []struct {
		name  string
		s     *server
		input string
		want  string
	}{
		{"plain", offering, guest, okay},
		{"ssl refused, then plain", silent, sslRequest + guest, "N" + okay},
		{"gss, then plain", offering, gssRequest + guest, "N" + okay},
		{"gss, ssl, then plain", silent, gssRequest + sslRequest + guest, "NN" + okay},
		{"ssl, gss, then plain", silent, sslRequest + gssRequest + guest, "NN" + okay},
		{"last user wins", silent, packet(wire.Protocol30, "user\x00x\x00user\x00guest\x00\x00"), okay},
		{"nothing", offering, "", ""},
		{"nothing after a refusal", silent, sslRequest, "N"},
		{"cancel", offering, packet(wire.CancelCode, "\x00\x00\x00\x01keys"), ""},
		{"protocol 2", silent, packet(2<<16, "whatever"), "EFATAL:  unsupported frontend protocol 2.0: server supports 3.0 to 3.2\n\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := exchange(t, tt.s, tt.input); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFaultyStartIsRefusedInWords(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	tests := []struct{ name, input, prefix, code, message string }{
		{"http", "GET / HTTP/1.1\r\n\r\n", "", "08P01", "invalid length of startup packet: 1195725856 bytes"},
		{"length 0", "\x00\x00\x00\x00", "", "08P01", "invalid length of startup packet: 0 bytes"},
		{"length 7", "\x00\x00\x00\x07abc", "", "08P01", "invalid length of startup packet: 7 bytes"},
		{"length over the limit", "\x00\x00\x27\x15", "", "08P01", "invalid length of startup packet: 10005 bytes"},
		{"length of 2 GiB", "\x7f\xff\xff\xff", "", "08P01", "invalid length of startup packet: 2147483647 bytes"},
		{"length of 4 GiB", "\xff\xff\xff\xff", "", "08P01", "invalid length of startup packet: 4294967295 bytes"},
		{"half a length", "\x00\x00", "", "08P01", "incomplete startup packet"},
		{"half a packet", guest[:12], "", "08P01", "incomplete startup packet"},
		{"no terminator", packet(wire.Protocol30, "user\x00guest\x00"), "", "08P01", "invalid startup packet layout: expected terminator as last byte"},
		{"no value", packet(wire.Protocol30, "user\x00guest\x00x\x00"), "", "08P01", "invalid startup packet layout: expected terminator as last byte"},
		{"more than the terminator", packet(wire.Protocol30, "user\x00guest\x00\x00\x00"), "", "08P01", "invalid startup packet layout: expected terminator as last byte"},
		{"no pairs, no terminator", packet(wire.Protocol30, ""), "", "08P01", "invalid startup packet layout: expected terminator as last byte"},
		{"no user", packet(wire.Protocol30, "database\x00x\x00\x00"), "", "28000", "no PostgreSQL user name specified in startup packet"},
		{"empty user", packet(wire.Protocol30, "user\x00\x00\x00"), "", "28000", "no PostgreSQL user name specified in startup packet"},
		{"protocol 4", packet(4<<16, "user\x00guest\x00\x00"), "", "0A000", "unsupported frontend protocol 4.0: server supports 3.0 to 3.2"},
		{"protocol 0", packet(0, "user\x00guest\x00\x00"), "", "0A000", "unsupported frontend protocol 0.0: server supports 3.0 to 3.2"},
		{"ssl twice", sslRequest + sslRequest, "N", "0A000", "unsupported frontend protocol 1234.5679: server supports 3.0 to 3.2"},
		{"gss twice", gssRequest + gssRequest, "N", "0A000", "unsupported frontend protocol 1234.5680: server supports 3.0 to 3.2"},
		{"cancel without a key", packet(wire.CancelCode, "\x00\x00\x00\x01"), "", "08P01", "invalid length of a cancel request"},
		{"cancel with too long a key", packet(wire.CancelCode, strings.Repeat("k", 261)), "", "08P01", "invalid length of a cancel request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := refusal(t, exchange(t, s, tt.input), tt.prefix)
			if e.Severity != "FATAL" || e.SeverityUnlocalized != "FATAL" || e.Code != tt.code || e.Message != tt.message {
				t.Errorf("got %s %s %q, want FATAL %s %q", e.Severity, e.Code, e.Message, tt.code, tt.message)
			}
		})
	}
}

func TestProtocolIsNegotiatedOnlyWhenNeeded(t *testing.T) {
	t.Parallel()
	const none = ""
	negotiated := func(version uint32, names ...string) string {
		return string(wire.AppendNegotiate(nil, version, names))
	}
	tests := []struct {
		name     string
		asked    uint32
		settings string
		sent     string
		agreed   uint32
	}{
		{"3.0", 3 << 16, "", none, wire.Protocol30},
		{"3.1", 3<<16 | 1, "", negotiated(wire.Protocol30), wire.Protocol30},
		{"3.2", 3<<16 | 2, "", none, wire.Protocol32},
		{"3.3", 3<<16 | 3, "", negotiated(wire.Protocol32), wire.Protocol32},
		{"3.0 with an extension", 3 << 16, "_pq_.x\x001\x00", negotiated(wire.Protocol30, "_pq_.x"), wire.Protocol30},
		{"3.2 with two", 3<<16 | 2, "_pq_.x\x00\x00_pq_.y\x00\x00", negotiated(wire.Protocol32, "_pq_.x", "_pq_.y"), wire.Protocol32},
		{"libpq 19's grease", 3<<16 | 9999, "_pq_.test_protocol_negotiation\x00\x00", negotiated(wire.Protocol32, "_pq_.test_protocol_negotiation"), wire.Protocol32},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
			got := exchange(t, s, packet(tt.asked, "user\x00guest\x00"+tt.settings+"\x00"))
			if want := tt.sent + okay; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			login := s.next(t).login
			if login.Protocol != tt.agreed {
				t.Errorf("agreed on %#x, want %#x", login.Protocol, tt.agreed)
			}
			if len(login.Params) != 0 {
				t.Errorf("got parameters %v", login.Params)
			}
		})
	}
}

func TestLongNamesAreCutAsPostgreSQLCutsThem(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 70)
	s := listen(t, &auth.Acceptor{Users: users{long[:63]: auth.Trust()}}, "tcp", "127.0.0.1:0")
	exchange(t, s, packet(wire.Protocol30, "user\x00"+long+"\x00database\x00"+long+"\x00\x00"))
	r := s.next(t)
	if r.err != nil || r.login.User != long[:63] || r.login.Database != long[:63] {
		t.Errorf("got %+v", r)
	}
}

func TestClientThatSaysNothingOrGoodbyeIsNotAnError(t *testing.T) {
	t.Parallel()
	for _, input := range []string{"", "X\x00\x00\x00\x04"} {
		s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
		if got := exchange(t, s, input); len(got) > 0 {
			t.Errorf("%q: got the answer %q, want none", input, got)
		}
		if r := s.next(t); !errors.Is(r.err, io.EOF) || code(r.err) != "" {
			t.Errorf("%q: got %v, want io.EOF", input, r.err)
		}
	}
}

func TestPlainTextAfterSSLRequestNeverCounts(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}, "tcp", "127.0.0.1:0")
	got := exchange(t, s, sslRequest+guest)
	if !strings.HasPrefix(got, "S") || strings.Contains(got, okay) {
		t.Errorf("got %q", got)
	}
	if r := s.next(t); code(r.err) != sqlstate.ProtocolViolation {
		t.Errorf("got %v, want a protocol violation", r.err)
	}
}

func TestNothingBeyondTheLoginIsRead(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		client, upstream := net.Pipe()
		done := make(chan result, 1)
		go func() {
			login, err := (&auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}).Accept(t.Context(), upstream)
			done <- result{login, err}
		}()
		conn := client
		if encrypted {
			conn = direct(t, client)
		}
		go func() {
			_, _ = io.WriteString(conn, guest+"what follows")
		}()
		if _, err := io.ReadFull(conn, make([]byte, 9)); err != nil {
			t.Fatal(err)
		}
		r := <-done
		if r.err != nil {
			t.Fatal(r.err)
		}
		rest := make([]byte, len("what follows"))
		if _, err := io.ReadFull(r.login.Conn, rest); err != nil || string(rest) != "what follows" {
			t.Errorf("TLS %v: got %q, %v", encrypted, rest, err)
		}
		if _, is := r.login.Conn.(*tls.Conn); !is && r.login.Conn != upstream {
			t.Errorf("got a connection of type %T", r.login.Conn)
		}
		client.Close()
		upstream.Close()
	}
}

// direct begins with TLS as sslnegotiation=direct does.
func direct(t *testing.T, conn net.Conn) net.Conn {
	t.Helper()
	c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"postgresql"}})
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDirectTLS(t *testing.T) {
	t.Parallel()
	offering := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}, "tcp", "127.0.0.1:0")
	silent := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	tests := []struct {
		name      string
		s         *server
		protocols []string
		handshake bool
		want      sqlstate.Code
	}{
		{"with the protocol's name", offering, []string{"postgresql"}, true, ""},
		{"with others beside it", offering, []string{"h2", "postgresql"}, true, ""},
		{"without a name", offering, nil, true, sqlstate.ProtocolViolation},
		{"with another name", offering, []string{"h2"}, false, sqlstate.ProtocolViolation},
		{"where none is offered", silent, []string{"postgresql"}, false, sqlstate.RejectedConnection},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", tt.s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: tt.protocols})
			err = c.HandshakeContext(t.Context())
			if (err == nil) != tt.handshake {
				t.Fatalf("handshake: %v", err)
			}
			if err == nil {
				_, _ = io.WriteString(c, sslRequest+gssRequest+guest) // refused inside TLS, as in PostgreSQL
				var answer [2]byte
				_, _ = io.ReadFull(c, answer[:])
				if got := string(answer[:]); tt.want == "" && got != "NN" {
					t.Errorf("got %q to requests inside TLS, want NN", got)
				}
			}
			if r := tt.s.next(t); code(r.err) != tt.want || tt.want == "" && r.err != nil {
				t.Errorf("got %v, want code %q", r.err, tt.want)
			}
		})
	}
}
