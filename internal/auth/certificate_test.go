// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/auth"
)

// pair writes a certificate that is valid around now plus offset, and its key.
func pair(t *testing.T, dir, name string, offset time.Duration) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(offset)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", pkcs8)
	return certFile, keyFile
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadCertificateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, goodKey := pair(t, dir, "good", 0)
	_, otherKey := pair(t, dir, "other", 0)
	old, oldKey := pair(t, dir, "old", -24*time.Hour)
	early, earlyKey := pair(t, dir, "early", 24*time.Hour)
	missing := filepath.Join(dir, "missing")
	tests := []struct {
		name, cert, key string
		says            []string // empty for success
	}{
		{"good", good, goodKey, nil},
		{"no certificate", missing, goodKey, []string{"cannot read the TLS certificate", missing, "no such file"}},
		{"no key", good, missing, []string{"cannot read the TLS private key", missing, "no such file"}},
		{"a directory", dir, goodKey, []string{"cannot read the TLS certificate", dir}},
		{"another's key", good, otherKey, []string{good, otherKey, "does not match"}},
		{"key for certificate", goodKey, goodKey, []string{goodKey}},
		{"expired", old, oldKey, []string{old, "it expired on"}},
		{"not yet valid", early, earlyKey, []string{early, "it is not valid before"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			certificate, err := auth.LoadCertificate(tt.cert, tt.key)
			if len(tt.says) == 0 {
				if err != nil || certificate.Leaf == nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range tt.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
		})
	}
}

func TestSelfSignedCertificateIsForThisMachine(t *testing.T) {
	t.Parallel()
	certificate, err := auth.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := certificate.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
