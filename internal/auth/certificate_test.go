// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/auth"
	"github.com/weir-pg/weir/internal/testpg"
)

// pair is a certificate that is valid around now plus offset, and its key.
func pair(t *testing.T, name string, offset time.Duration) (certFile, keyFile string) {
	t.Helper()
	at := time.Now().Add(offset)
	return testpg.Certificate(t, name, at.Add(-time.Hour), at.Add(time.Hour))
}

func TestLoadCertificateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, goodKey := pair(t, "good", 0)
	_, otherKey := pair(t, "other", 0)
	old, oldKey := pair(t, "old", -24*time.Hour)
	early, earlyKey := pair(t, "early", 24*time.Hour)
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
