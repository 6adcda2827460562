// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/xdg-go/scram"

	"github.com/weir-pg/weir/internal/auth"
)

// talk is a client that speaks SASL by hand.
type talk struct {
	t    *testing.T
	conn net.Conn
	*pgproto3.Frontend
}

// start logs in as name as far as the offer of mechanisms, and returns that.
func start(t *testing.T, s *server, name string, encrypted bool) (*talk, []string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if encrypted {
		conn = direct(t, conn)
	}
	c := &talk{t, conn, pgproto3.NewFrontend(conn, conn)}
	c.send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": name}})
	return c, receive[*pgproto3.AuthenticationSASL](c).AuthMechanisms
}

func (c *talk) send(m pgproto3.FrontendMessage) {
	c.t.Helper()
	c.Send(m)
	if err := c.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

// receive reads a message, which must be of type M.
func receive[M pgproto3.BackendMessage](c *talk) M {
	c.t.Helper()
	got, err := c.Receive()
	if err != nil {
		c.t.Fatal(err)
	}
	m, ok := got.(M)
	if !ok {
		c.t.Fatalf("got %T %+v, want %T", got, got, m)
	}
	return m
}

// refused reads the error that ends the login.
func (c *talk) refused(code, message string) {
	c.t.Helper()
	e := receive[*pgproto3.ErrorResponse](c)
	if e.Severity != "FATAL" || e.Code != code || !strings.Contains(e.Message, message) {
		c.t.Errorf("got %s %s %q, want FATAL %s %q", e.Severity, e.Code, e.Message, code, message)
	}
}

func TestOfferDependsOnTheConnection(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}, "tcp", "127.0.0.1:0")
	if _, got := start(t, s, user, false); !slices.Equal(got, []string{"SCRAM-SHA-256"}) {
		t.Errorf("without TLS got %q", got)
	}
	if _, got := start(t, s, user, true); !slices.Equal(got, []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}) {
		t.Errorf("with TLS got %q", got)
	}
}

func TestFaultyProofIsRefused(t *testing.T) {
	t.Parallel()
	const plain, plus = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"
	tests := []struct {
		name             string
		encrypted        bool
		mechanism, first string
		code, message    string
	}{
		{"unknown mechanism", false, "PLAIN", "n,,n=,r=abc", "08P01", "invalid SASL authentication mechanism"},
		{"mechanism not offered", false, plus, "p=tls-server-end-point,,n=,r=abc", "08P01", "invalid SASL authentication mechanism"},
		{"empty", false, plain, "", "08P01", "the message is empty"},
		{"zero byte", false, plain, "n,,n=,r=a\x00c", "08P01", "does not match input length"},
		{"noise", false, plain, "\xff\xfe", "08P01", "malformed SCRAM message"},
		{"identity", false, plain, "n,a=bob,n=,r=abc", "0A000", "authorization identity"},
		{"extension", false, plain, "n,,m=x,n=,r=abc", "08P01", "malformed SCRAM message"},
		{"downgrade", true, plain, "y,,n=,r=abc", "28000", "channel binding negotiation error"},
		{"plain that binds", true, plain, "p=tls-server-end-point,,n=,r=abc", "08P01", "includes channel binding data"},
		{"plus that does not", true, plus, "n,,n=,r=abc", "08P01", "does not include channel binding data"},
		{"another kind of binding", true, plus, "p=tls-unique,,n=,r=abc", "08P01", "malformed SCRAM message"},
	}
	s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}, "tcp", "127.0.0.1:0")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := start(t, s, user, tt.encrypted)
			c.send(&pgproto3.SASLInitialResponse{AuthMechanism: tt.mechanism, Data: []byte(tt.first)})
			c.refused(tt.code, tt.message)
		})
	}
}

func TestFaultyFinalMessageIsRefused(t *testing.T) {
	t.Parallel()
	proof := ",p=" + strings.Repeat("A", 43) + "="
	s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}, "tcp", "127.0.0.1:0")
	tests := []struct {
		name          string
		final         func(nonce string) string
		code, message string
	}{
		{"wrong proof", func(n string) string { return "c=biws,r=" + n + proof }, "28P01", "password authentication failed"},
		{"short proof", func(n string) string { return "c=biws,r=" + n + ",p=AAAA" }, "08P01", "malformed"},
		{"another nonce", func(n string) string { return "c=biws,r=" + n + "x" + proof }, "08P01", "malformed"},
		{"another binding", func(n string) string { return "c=eSws,r=" + n + proof }, "28000", "channel binding check failed"},
		{"noise", func(string) string { return "\x00\x01" }, "08P01", "malformed"},
		{"empty", func(string) string { return "" }, "08P01", "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := start(t, s, user, false)
			c.send(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,,n=,r=abc")})
			nonce, _, _ := strings.Cut(string(receive[*pgproto3.AuthenticationSASLContinue](c).Data)[2:], ",")
			c.send(&pgproto3.SASLResponse{Data: []byte(tt.final(nonce))})
			c.refused(tt.code, tt.message)
		})
	}
}

func TestBindingToAnotherCertificateIsRefused(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: selfSigned()}, "tcp", "127.0.0.1:0")
	c, _ := start(t, s, user, true)
	client, err := scram.SHA256.NewClientUnprepped("", password, "")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: make([]byte, 32)}
	conversation := client.NewConversationWithChannelBinding(elsewhere)
	c.send(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256-PLUS", Data: step(t, conversation, "")})
	challenge := receive[*pgproto3.AuthenticationSASLContinue](c).Data
	c.send(&pgproto3.SASLResponse{Data: step(t, conversation, string(challenge))})
	c.refused("28000", "SCRAM channel binding check failed")
}

func step(t *testing.T, c *scram.ClientConversation, challenge string) []byte {
	t.Helper()
	out, err := c.Step(challenge)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(out)
}

// An RFC lets a client choose a mechanism and wait; no driver known does.
func TestClientMayWaitForAnEmptyChallenge(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	c, _ := start(t, s, user, false)
	client, err := scram.SHA256.NewClientUnprepped("", password, "")
	if err != nil {
		t.Fatal(err)
	}
	conversation := client.NewConversation()
	first := step(t, conversation, "")
	raw := "p\x00\x00\x00\x16SCRAM-SHA-256\x00\xff\xff\xff\xff"
	if _, err := io.WriteString(c.conn, raw); err != nil {
		t.Fatal(err)
	}
	if got := receive[*pgproto3.AuthenticationSASLContinue](c).Data; len(got) != 0 {
		t.Errorf("got challenge %q, want an empty one", got)
	}
	c.send(&pgproto3.SASLResponse{Data: first})
	challenge := receive[*pgproto3.AuthenticationSASLContinue](c).Data
	c.send(&pgproto3.SASLResponse{Data: step(t, conversation, string(challenge))})
	step(t, conversation, string(receive[*pgproto3.AuthenticationSASLFinal](c).Data))
	receive[*pgproto3.AuthenticationOk](c)
}

func TestBadPasswordMessagesAreRefusedInBoundedMemory(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	offer := "R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00"
	megabyte := string(binary.BigEndian.AppendUint32([]byte("p"), 1<<20+4)) + strings.Repeat("x", 1<<20)
	tests := []struct{ name, input, message string }{
		{"1 MiB", megabyte, "invalid length of a password message: 1048580 bytes, at most 1028 are read"},
		{"length 0", "p\x00\x00\x00\x00", "invalid length of a password message: 0 bytes, at most 1028 are read"},
		{"length 2 GiB", "p\x7f\xff\xff\xff", "invalid length of a password message: 2147483647 bytes, at most 1028 are read"},
		{"half a header", "p\x00", "incomplete password message"},
		{"half a message", "p\x00\x00\x00\x20half", "incomplete password message"},
		{"another message", "Q\x00\x00\x00\x05\x00", "expected SASL response, got message type 81"},
		{"no mechanism", "p\x00\x00\x00\x04", "invalid SASLInitialResponse: its lengths do not add up"},
		{"wrong inner length", "p\x00\x00\x00\x16SCRAM-SHA-256\x00\x00\x00\x00\x09", "invalid SASLInitialResponse: its lengths do not add up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := refusal(t, exchange(t, s, ann+tt.input), offer)
			if e.Severity != "FATAL" || e.Code != "08P01" || e.Message != tt.message {
				t.Errorf("got %s %s %q, want %q", e.Severity, e.Code, e.Message, tt.message)
			}
		})
	}
}

// What a client can see of an unknown user is what it sees of a known one: the
// same cost in iterations, a salt of the same size that stays the same.
func TestUnknownUserGetsAChallengeLikeARealOne(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	challenge := func(name string) (salt, cost string) {
		c, _ := start(t, s, name, false)
		c.send(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("n,,n=,r=abc")})
		parts := strings.Split(string(receive[*pgproto3.AuthenticationSASLContinue](c).Data), ",")
		if len(parts) != 3 || !strings.HasPrefix(parts[0], "r=abc") {
			t.Fatalf("got challenge %q", parts)
		}
		return parts[1], parts[2]
	}
	knownSalt, knownCost := challenge(user)
	salt, cost := challenge("stranger")
	if cost != knownCost || len(salt) != len(knownSalt) {
		t.Errorf("got %s %s for a stranger, %s %s for a user", salt, cost, knownSalt, knownCost)
	}
	if again, _ := challenge("stranger"); again != salt {
		t.Errorf("got salts %s and %s for one name", salt, again)
	}
	if other, _ := challenge("somebody"); other == salt {
		t.Error("got one salt for two names")
	}
}

func TestEd25519CertificateOffersNoBinding(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: auth.NewTLS(edCertificate(t), nil, false)}, "tcp", "127.0.0.1:0")
	c, got := start(t, s, user, true)
	if !slices.Equal(got, []string{"SCRAM-SHA-256"}) {
		t.Errorf("got %q", got)
	}
	c.send(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: []byte("y,,n=,r=abc")})
	receive[*pgproto3.AuthenticationSASLContinue](c) // 'y' is right: there is no PLUS
}

func edCertificate(t *testing.T) *tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}

func TestVerifierIsAsGoodAsItsPassword(t *testing.T) {
	t.Parallel()
	secret, err := auth.ParseVerifier("SCRAM-SHA-256$4096:KNnJvBWKMvlT4/COek5zRA==$EJIYfkq6TtsGRTxIBTvF76IQwyldzkMed6q6vYYvspM=:vKfr+1zGE188FBZQCeqMiasvbx9Jxt3op7bMwbKzYYI=")
	if err != nil {
		t.Fatal(err)
	}
	s := listen(t, &auth.Acceptor{Users: users{user: secret}}, "tcp", "127.0.0.1:0")
	c, _ := start(t, s, user, false)
	client, err := scram.SHA256.NewClientUnprepped("", password, "")
	if err != nil {
		t.Fatal(err)
	}
	conversation := client.NewConversation()
	c.send(&pgproto3.SASLInitialResponse{AuthMechanism: "SCRAM-SHA-256", Data: step(t, conversation, "")})
	challenge := receive[*pgproto3.AuthenticationSASLContinue](c).Data
	c.send(&pgproto3.SASLResponse{Data: step(t, conversation, string(challenge))})
	step(t, conversation, string(receive[*pgproto3.AuthenticationSASLFinal](c).Data))
	receive[*pgproto3.AuthenticationOk](c)
}

func TestClientThatLeavesToAskForAPasswordIsNotAnError(t *testing.T) {
	t.Parallel()
	s := listen(t, &auth.Acceptor{Users: knownUsers()}, "tcp", "127.0.0.1:0")
	c, _ := start(t, s, user, false)
	c.conn.Close()
	if r := s.next(t); !errors.Is(r.err, io.EOF) || code(r.err) != "" {
		t.Errorf("got %v, want io.EOF", r.err)
	}
}
