// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/auth"
)

func TestClientCertificateThatIsShownMustBeSigned(t *testing.T) {
	t.Parallel()
	// Of the same name: a client keeps one of another authority to itself.
	known, knownKey := pair(t, "client", 0)
	stranger, strangerKey := pair(t, "client", 0)
	authorities, err := auth.LoadAuthorities(known)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := auth.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	s := listen(t, &auth.Acceptor{Users: knownUsers(), TLS: auth.NewTLS(certificate, authorities, false)}, "tcp", "127.0.0.1:0")
	tests := []struct {
		name, options string
		admitted      bool
	}{
		{"none", "sslmode=require", true},
		{"signed", "sslmode=require sslcert=" + known + " sslkey=" + knownKey, true},
		{"a stranger's", "sslmode=require sslcert=" + stranger + " sslkey=" + strangerKey, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn, err := pgconn.Connect(t.Context(), dsn(s, tt.options))
			if (err == nil) != tt.admitted {
				t.Fatalf("got %v, want admitted %v", err, tt.admitted)
			}
			if conn != nil {
				conn.Close(t.Context())
			}
		})
	}
}

func TestLoadAuthoritiesSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, key := pair(t, "some", 0)
	for file, says := range map[string]string{
		filepath.Join(t.TempDir(), "missing"): "no such file",
		key:                                   "no certificate in PEM",
	} {
		_, err := auth.LoadAuthorities(file)
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want it to name %s and say %q", err, file, says)
		}
	}
}
