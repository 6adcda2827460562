// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/testpg"
)

var (
	begins = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ends   = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
)

// certificate is valid from begins until ends.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	return testpg.Certificate(t, "weir", begins, ends)
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	_, stranger := certificate(t)
	tests := []struct {
		name          string
		cert, key, ca string
		now           time.Time
		want          string // in the mistake; "": none
	}{
		{"valid", cert, key, cert, begins.Add(time.Hour), ""},
		{"expired", cert, key, "", ends.Add(time.Hour), "expired on 2027-01-01T00:00:00Z"},
		{"not yet valid", cert, key, "", begins.Add(-time.Hour), "not valid before 2026-01-01T00:00:00Z"},
		{"another's key", cert, stranger, "", begins.Add(time.Hour), "private key does not match public key"},
		{"not a certificate", key, key, "", begins.Add(time.Hour), "not a certificate"},
		{"unreadable key", cert, "/nonexistent/key.pem", "", begins.Add(time.Hour), "no such file"},
		{"authorities without any", cert, key, key, begins.Add(time.Hour), "expected certificates in PEM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Source{Now: tt.now, Environ: []string{
				"DATABASE_URL=postgres://app:secret@db/app",
				"WEIR_CLIENT_TLS_CERT=" + tt.cert, "WEIR_CLIENT_TLS_KEY=" + tt.key, "WEIR_CLIENT_TLS_CA=" + tt.ca,
			}})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want no mistake", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "\n") != 1):
				t.Errorf("got %v, want one mistake with %q", err, tt.want)
			}
		})
	}
}
