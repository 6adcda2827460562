// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

// checkTLS checks the files that clients' TLS needs.
func (l *loader) checkTLS() {
	t := l.ClientTLS
	switch {
	case t.Cert != "" && t.Key == "":
		l.wrong("client_tls.cert", l.origins["client_tls.cert"], t.Cert, "needs its private key: set client_tls.key")
	case t.Cert == "" && t.Key != "":
		l.wrong("client_tls.key", l.origins["client_tls.key"], t.Key, "needs its certificate: set client_tls.cert")
	case t.Cert != "":
		l.checkCertificate(t)
	}
	if t.CA != "" {
		l.checkAuthorities(t.CA)
	}
}

// checkCertificate checks that weir can read its certificate and clients will
// accept its dates.
func (l *loader) checkCertificate(t TLS) {
	certKey, keyKey := "client_tls.cert", "client_tls.key"
	chain, err := os.ReadFile(t.Cert)
	if err != nil {
		l.wrong(certKey, l.origins[certKey], t.Cert, "cannot read the file: "+cause(err))
	}
	secret, keyErr := os.ReadFile(t.Key)
	if keyErr != nil {
		l.wrong(keyKey, l.origins[keyKey], t.Key, "cannot read the file: "+cause(keyErr))
	}
	if err != nil || keyErr != nil {
		return
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		l.wrong(certKey, l.origins[certKey], t.Cert, fmt.Sprintf("not a certificate with the key %s: %v", t.Key, err))
		return
	}
	if problem := dates(pair.Leaf, l.now); problem != "" {
		l.wrong(certKey, l.origins[certKey], t.Cert, problem)
	}
}

// dates says why a certificate is not valid now, or "".
func dates(c *x509.Certificate, now time.Time) string {
	switch {
	case now.After(c.NotAfter):
		return "the certificate expired on " + c.NotAfter.UTC().Format(time.RFC3339) + ": renew it"
	case now.Before(c.NotBefore):
		return "the certificate is not valid before " + c.NotBefore.UTC().Format(time.RFC3339) + ": check it, and this machine's clock"
	}
	return ""
}

func (l *loader) checkAuthorities(path string) {
	key := "client_tls.ca"
	text, err := os.ReadFile(path)
	if err != nil {
		l.wrong(key, l.origins[key], path, "cannot read the file: "+cause(err))
		return
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		l.wrong(key, l.origins[key], path, "expected certificates in PEM")
	}
}
