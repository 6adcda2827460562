// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/xdg-go/scram"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// protocolName is PostgreSQL's name in TLS's ALPN (PostgreSQL 17, documentation
// of direct TLS).
const protocolName = "postgresql"

// tlsRecord is the first byte of a TLS handshake. No start-up packet has it: it
// would announce a length of hundreds of megabytes.
const tlsRecord = 0x16

// TLS is what clients are offered. A nil *TLS offers none and asks for none.
type TLS struct {
	required    bool
	authorities *x509.CertPool // nil: clients are not asked for certificates
	current     atomic.Pointer[identity]
}

// identity is one certificate and all that a handshake with it needs. It does
// not change: a handshake takes it once, so the certificate that it serves and
// the one that SCRAM binds to are the same, whatever Replace does meanwhile.
type identity struct {
	config  *tls.Config
	binding scram.ChannelBinding // zero if there is none for this kind of certificate
}

// NewTLS offers TLS with a certificate as LoadCertificate and SelfSigned make
// it. If required, clients without TLS are refused, except on Unix sockets. With
// authorities, a certificate that a client shows must be of theirs, as with
// PostgreSQL's ssl_ca_file; it is no proof of who the client is.
func NewTLS(certificate *tls.Certificate, authorities *x509.CertPool, required bool) *TLS {
	t := &TLS{required: required, authorities: authorities}
	t.Replace(certificate)
	return t
}

// Replace makes later handshakes serve another certificate. It may be called at
// any time from any goroutine.
func (t *TLS) Replace(certificate *tls.Certificate) {
	ask := tls.NoClientCert
	if t.authorities != nil {
		ask = tls.VerifyClientCertIfGiven
	}
	t.current.Store(&identity{
		config: &tls.Config{
			ClientAuth:   ask,
			ClientCAs:    t.authorities,
			Certificates: []tls.Certificate{*certificate},
			NextProtos:   []string{protocolName},
			MinVersion:   tls.VersionTLS12,
			// A resumed session shows no certificate to bind to; PostgreSQL
			// turns tickets off too.
			SessionTicketsDisabled: true,
		},
		binding: endpoint(certificate.Leaf),
	})
}

// endpoint is the tls-server-end-point binding (RFC 5929) of a certificate: its
// digest by the hash of its own signature. It is zero for signatures that name
// no hash, such as Ed25519's, for which neither libpq nor PostgreSQL has one.
func endpoint(leaf *x509.Certificate) scram.ChannelBinding {
	seen := tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}} // as the client sees it
	binding, err := scram.NewTLSServerEndpointBinding(&seen)
	if err != nil {
		return scram.ChannelBinding{}
	}
	return binding
}

// offered reports whether this client may have TLS.
func (t *TLS) offered(c *turn) bool { return t != nil && !c.local() && c.secure == nil }

// direct brings up TLS for a client that begins with it instead of asking
// first, as sslnegotiation=direct does. Any other client is left as it is.
func (t *TLS) direct(c *turn) error {
	first := make([]byte, 4) // as much as a start-up packet's length word: what reads next need not wait
	if _, err := io.ReadFull(c, first); err != nil {
		return unfinished(err, errHalfStartup)
	}
	c.unread = first
	if first[0] != tlsRecord {
		return nil
	}
	if !t.offered(c) {
		c.deaf = true // it waits for a handshake and would not understand an ErrorResponse
		return fatal(sqlstate.RejectedConnection, "client began with TLS, which is not offered here")
	}
	conn, err := t.handshake(c)
	if err != nil {
		return err
	}
	if conn.ConnectionState().NegotiatedProtocol != protocolName {
		return violation(fmt.Errorf("received direct TLS connection request without ALPN protocol %q", protocolName))
	}
	return nil
}

// answer grants or refuses an SSLRequest.
func (t *TLS) answer(c *turn) error {
	if !t.offered(c) {
		return c.send([]byte{'N'})
	}
	if err := c.send([]byte{'S'}); err != nil {
		return err
	}
	_, err := t.handshake(c)
	return err
}

// handshake brings up TLS; what c reads and writes goes through it from then on.
func (t *TLS) handshake(c *turn) (*tls.Conn, error) {
	id := t.current.Load()
	conn := tls.Server(c, id.config)
	c.deaf = true
	if err := conn.Handshake(); err != nil {
		e := fatal(sqlstate.ProtocolViolation, "TLS handshake with the client failed")
		e.Err = err
		return nil, e
	}
	c.deaf = false
	c.stream, c.secure = conn, id
	return conn, nil
}

// admit refuses a client without TLS where it is required.
func (t *TLS) admit(c *turn) error {
	if t == nil || !t.required || c.secure != nil || c.local() {
		return nil
	}
	e := fatal(sqlstate.RejectedConnection, "weir accepts only connections with TLS, and this one has none")
	e.Hint = "Add sslmode=require to the connection URL."
	return e
}
