// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/upstream"
)

// TestVerifyFullLooksAtNamesAsLibpqDoes shakes hands with servers whose
// certificates have names of each kind.
func TestVerifyFullLooksAtNamesAsLibpqDoes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, common string
		dns          []string
		ips          []string
		host         string
		fits         bool
	}{
		{"common name alone", "db.example.com", nil, nil, "db.example.com", true},
		{"in another case", "DB.Example.com", nil, nil, "db.example.COM", true},
		{"another common name", "db.example.com", nil, nil, "other.example.com", false},
		{"a wildcard", "*.example.com", nil, nil, "db.example.com", true},
		{"a wildcard for two labels", "*.example.com", nil, nil, "a.db.example.com", false},
		{"a wildcard for none", "*.example.com", nil, nil, "example.com", false},
		{"a part of a label", "d*.example.com", nil, nil, "db.example.com", false},
		{"nothing but a wildcard", "*.", nil, nil, "db.", false},
		{"a name beside", "old", []string{"db.example.com"}, nil, "db.example.com", true},
		{"the common name beside another name", "db.example.com", []string{"other"}, nil, "db.example.com", false},
		{"the common name beside an address", "db.example.com", nil, []string{"10.0.0.1"}, "db.example.com", true},
		{"an address", "x", nil, []string{"10.0.0.1"}, "10.0.0.1", true},
		{"an IPv6 address", "x", nil, []string{"2001:db8::1"}, "2001:0db8::1", true},
		{"another address", "10.0.0.1", nil, []string{"10.0.0.2"}, "10.0.0.1", false},
		{"an address as the common name", "10.0.0.1", nil, nil, "10.0.0.1", true},
		{"an address as the common name beside a name", "10.0.0.1", []string{"db"}, nil, "10.0.0.1", true},
		{"an address for a name", "x", nil, []string{"10.0.0.1"}, "x.example.com", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: test.common}, DNSNames: test.dns,
				NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
				IsCA: true, BasicConstraintsValid: true,
			}
			for _, ip := range test.ips {
				template.IPAddresses = append(template.IPAddresses, net.ParseIP(ip))
			}
			cert, roots := signed(t, template)
			if err := handshake(t, cert, roots, test.host); (err == nil) != test.fits {
				t.Errorf("got %v, want that it fits: %v", err, test.fits)
			}
			if err := handshake(t, cert, x509.NewCertPool(), test.host); err == nil {
				t.Error("a certificate of an unknown authority was accepted")
			}
		})
	}
}

// signed makes a certificate that is its own authority.
func signed(t *testing.T, template *x509.Certificate) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// handshake is the client's side of one, as sslmode=verify-full has it.
func handshake(t *testing.T, cert tls.Certificate, roots *x509.CertPool, host string) error {
	t.Helper()
	cfg := &tls.Config{ServerName: host, RootCAs: roots}
	upstream.VerifyAsLibpq(cfg, host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		theirs, err := listener.Accept()
		if err != nil {
			return // the client has not come
		}
		_ = tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake() // the client says how it went
		_ = theirs.Close()
	}()
	ours, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	return tls.Client(ours, cfg).HandshakeContext(within(t))
}
