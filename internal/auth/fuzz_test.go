// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/auth"
)

// tape is a connection whose client said all it will ever say.
type tape struct {
	io.Reader
	net.Addr
	said bytes.Buffer // by Accept
}

func (c *tape) Write(p []byte) (int, error)      { return c.said.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// FuzzSASL sends bytes in the place of the password messages: no bytes can be
// the proof, whose nonce is not known when they are written.
func FuzzSASL(f *testing.F) {
	f.Add([]byte("p\x00\x00\x00\x21SCRAM-SHA-256\x00\x00\x00\x00\x0bn,,n=,r=abcp\x00\x00\x00\x10c=biws,r=abc,p=AAAA"))
	f.Add([]byte("p\x00\x00\x00\x16SCRAM-SHA-256\x00\xff\xff\xff\xffp\x00\x00\x00\x0fn,,n=,r=abc"))
	f.Add([]byte("p\x00\x00\x00\x21SCRAM-SHA-256\x00\x00\x00\x00\x0by,,n=,r=abc"))
	f.Add([]byte("X\x00\x00\x00\x04"))
	a := &auth.Acceptor{Users: knownUsers()}
	f.Fuzz(func(t *testing.T, input []byte) {
		conn := &tape{Reader: io.MultiReader(bytes.NewReader([]byte(ann)), bytes.NewReader(input))}
		if login, err := a.Accept(t.Context(), conn); err == nil {
			t.Errorf("got a login of %q", login.User)
		}
	})
}

// FuzzAccept sends bytes in the place of everything.
func FuzzAccept(f *testing.F) {
	for _, input := range []string{guest, ann, sslRequest + guest, gssRequest + sslRequest + ann, "\x16\x03\x01", "GET / HTTP/1.1\r\n\r\n"} {
		f.Add([]byte(input), true)
		f.Add([]byte(input), false)
	}
	f.Fuzz(func(t *testing.T, input []byte, offer bool) {
		a := &auth.Acceptor{Users: knownUsers()}
		if offer {
			a.TLS = selfSigned()
		}
		login, err := a.Accept(t.Context(), &tape{Reader: bytes.NewReader(input)})
		if err == nil && login.Cancel == nil && login.User != "guest" {
			t.Errorf("got a login of %q", login.User)
		}
	})
}
