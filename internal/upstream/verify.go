// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// verifyAsLibpq has sslmode=verify-full, the only one for which pgconn leaves the
// checks to crypto/tls, look at names as libpq does: crypto/tls never looks at the
// common name, which is all that older certificates of PostgreSQL servers have.
func verifyAsLibpq(c *tls.Config, host string) {
	if c == nil || c.InsecureSkipVerify {
		return
	}
	c.InsecureSkipVerify = true // of crypto/tls; what follows is in its place
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server has shown no certificate")
		}
		opts := x509.VerifyOptions{Roots: c.RootCAs, Intermediates: x509.NewCertPool()}
		for _, cert := range s.PeerCertificates[1:] {
			opts.Intermediates.AddCert(cert)
		}
		if _, err := s.PeerCertificates[0].Verify(opts); err != nil {
			return err
		}
		return verifyName(s.PeerCertificates[0], host)
	}
}

// verifyName checks that a certificate is for a host: an alternative name has to
// match, and only where there is none of the host's kind, DNS or address, the
// common name (pgtls_verify_peer_name_matches_certificate_guts in
// fe-secure-openssl.c).
func verifyName(cert *x509.Certificate, host string) error {
	ip, err := netip.ParseAddr(host)
	isIP := err == nil
	for _, name := range cert.DNSNames {
		if matchesName(name, host) {
			return nil
		}
	}
	for _, address := range cert.IPAddresses {
		if isIP && bytes.Equal(address, ip.AsSlice()) {
			return nil
		}
	}
	names := append([]string(nil), cert.DNSNames...)
	for _, address := range cert.IPAddresses {
		names = append(names, address.String())
	}
	if isIP && len(cert.IPAddresses) == 0 || !isIP && len(cert.DNSNames) == 0 {
		name, found := commonName(cert)
		if found && matchesName(name, host) {
			return nil
		}
		if found {
			names = append(names, name)
		}
	}
	return fmt.Errorf("the server's certificate is for %s, not for %s", strings.Join(names, ", "), host)
}

// commonName is the first one.
func commonName(cert *x509.Certificate) (string, bool) {
	for _, one := range cert.Subject.Names {
		if one.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) {
			name, ok := one.Value.(string)
			return name, ok
		}
	}
	return "", false
}

// matchesName compares as libpq does, in ASCII without regard to case: a wildcard
// stands for one whole label, the first (wildcard_certificate_match in
// fe-secure-common.c).
func matchesName(name, host string) bool {
	name, host = lower(name), lower(host)
	if strings.ContainsRune(name, 0) {
		return false
	}
	if name == host {
		return true
	}
	suffix, wild := strings.CutPrefix(name, "*")
	if !wild || len(name) < 3 || suffix[0] != '.' || len(name) > len(host) {
		return false
	}
	label, found := strings.CutSuffix(host, suffix)
	return found && !strings.Contains(label, ".")
}

func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r | 0x20
		}
		return r
	}, text)
}
