// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// LoadCertificate reads a certificate chain and its private key, both PEM. Its
// error is one sentence that names the file: one that cannot be read, a key that
// belongs to another certificate, a certificate that is expired or not yet valid.
func LoadCertificate(certFile, keyFile string) (*tls.Certificate, error) {
	chain, err := os.ReadFile(certFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the TLS certificate: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the TLS private key: %w", err)
	}
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("cannot use TLS certificate %q with private key %q: %w", certFile, keyFile, err)
	}
	if err := valid(certificate.Leaf, time.Now()); err != nil {
		return nil, fmt.Errorf("cannot use TLS certificate %q: %w", certFile, err)
	}
	return &certificate, nil
}

// valid says what is wrong with using a certificate now.
func valid(leaf *x509.Certificate, now time.Time) error {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("it expired on %s", leaf.NotAfter.UTC().Format(time.RFC1123))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("it is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC1123))
	}
	return nil
}

// LoadAuthorities reads certificates of authorities, PEM. Its error is one
// sentence that names the file.
func LoadAuthorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the authorities of client certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("cannot use %q as authorities of client certificates: it has no certificate in PEM", file)
	}
	return pool, nil
}

// selfSignedLife is longer than any process is expected to run.
const selfSignedLife = 10 * 365 * 24 * time.Hour

// SelfSigned makes a certificate for this machine's name and the loopback
// addresses, with its key, in memory only. Clients that ask for encryption but
// trust no authority in particular (sslmode=require) accept it.
func SelfSigned() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make a TLS key: %w", err)
	}
	template := selfSignedTemplate(time.Now())
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("cannot make a TLS certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cannot read the TLS certificate just made: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

func selfSignedTemplate(now time.Time) *x509.Certificate {
	names := []string{"localhost"}
	if host, err := os.Hostname(); err == nil && host != "localhost" {
		names = append(names, host)
	}
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), // differs between restarts, as browsers and stores expect
		Subject:      pkix.Name{CommonName: "weir"},
		NotBefore:    now.Add(-time.Hour), // a client's clock may be behind
		NotAfter:     now.Add(selfSignedLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     names,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
}
