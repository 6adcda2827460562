// SPDX-License-Identifier: Apache-2.0

package auth_test

import (
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/auth"
)

// The verifiers are what PostgreSQL 15 stored for CREATE ROLE … PASSWORD.
func TestKeysAreThoseThatPostgreSQLDerives(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, password, verifier string }{
		{"ascii", "secret", "SCRAM-SHA-256$4096:KNnJvBWKMvlT4/COek5zRA==$EJIYfkq6TtsGRTxIBTvF76IQwyldzkMed6q6vYYvspM=:vKfr+1zGE188FBZQCeqMiasvbx9Jxt3op7bMwbKzYYI="},
		{"zero width space is a space", "p\u200bw", "SCRAM-SHA-256$4096:c9zNV031Zl2CXc0XIm3zyA==$9QE6bOXo5i95qkmjd4nt5xKG0+hC2hW7PfJ5wr6dILc=:6rRHi8UZr9kto5XW+np6cKJ4523MeMH97Z2YXhORfRY="},
		{"soft hyphen is nothing", "I\u00adX", "SCRAM-SHA-256$4096:LBzStU2C3L4bt/geBJ2WZw==$lRIV7xLqdRvZPQaGIyluyZEuzi/idNHu084BFZ9G5XY=:dZVCVkdti8ls62CS+fDiqnCx3JfwXS5u9usdHudRUas="},
		{"compatibility form", "\u2168", "SCRAM-SHA-256$4096:mctQAp0r8qJuNYmPaOBbwQ==$G+0QP+97YRuK4WAJE1evzxit28PA/UHE/rGqcvs+NwA=:KehV3M2grdcCEFSLd2ZR7FKsTIow3vEnShvEPD2soKw="},
		{"composition", "a\u0301\u4e2d", "SCRAM-SHA-256$4096:dKqCPl/4p57vCDADANB5ow==$Jsf+6uRVPbn3FkN0KhN/j0hfjhk/rF5L8AuLou5+ldM=:Ta6zTX5Jh/4eZfdwMDuYby9jCBoFZ//l9ttu9nPMdL4="},
		{"nothing left", "\u00ad", "SCRAM-SHA-256$4096:DcK1lgJSJ88OJwroMopcWg==$pTM0FF00zWdSoi70xGU3in4sR6w9PTUVFi1jGbDQI9Y=:JoGzYMekWWQpG9HcJqnMXUzCRws1dhiM/Jkg3wvkfwc="},
		{"forbidden direction", "\u06271", "SCRAM-SHA-256$4096:ttULM2TbjixWkjgqI/T9CQ==$Nls7GkCJndVjR/vrGtiXuQr7lVLEU+Q+7WrWQ7/PXsc=:HpLnE1HTE0S5jeoO9f2DBUo9nQfI0GqwMRaN6hZAzUI="},
		{"unassigned in Unicode 3.2", "x\U0001f600", "SCRAM-SHA-256$4096:zvdrgtSyqnUXFJqsbSpGCw==$0LSGfD96YRSGad67Rwm+703bDRBZNe0wO7ODNxwrrAQ=:91UCg0PLMxmJVrNLz3Q7ZECQhyXBJB8b0UxrD4O2MXU="},
		{"no-break space", "a\u00a0b", "SCRAM-SHA-256$4096:i0zt1gJw/NT8Lat75R6v+w==$eVLd0lSU/VL0YWfmUYxkNXxdV15x/BD1Jow5fD/l27k=:GrZiLr57GyC3y111pT0ykmhjSPg9fIQdkBU06+x4MSk="},
		{"forbidden control", "x\u0007y\u00e9", "SCRAM-SHA-256$4096:79b6nAkCFLH6qeIy56FDeQ==$GiPshJbmK4t8WfD811OAl4RL6Tg6x5i2VbagAfinmcQ=:22Nln3WeF1iB4d0pOEAVazkaUM8veMLEb1qfuUCtdBk="},
		{"unassigned", "u\u0378v", "SCRAM-SHA-256$4096:iIExlUtfhseJ1ddZUpROFQ==$4n3VdTokA0njtDThIzN/CQQCFuFhwF2Sp3NoyFUmylE=:HND9v51NJW260i+D87XFd1kJvxXV5tbDy+g6CL07K7Q="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stored, err := auth.ParseVerifier(tt.verifier)
			if err != nil {
				t.Fatal(err)
			}
			derived, err := auth.Verifier(tt.password, stored.Salt())
			if err != nil {
				t.Fatal(err)
			}
			gotStored, gotServer := derived.Keys()
			wantStored, wantServer := stored.Keys()
			if gotStored != wantStored || gotServer != wantServer {
				t.Errorf("the keys of %q differ from PostgreSQL's", tt.password)
			}
		})
	}
}

func TestParseVerifierRefuses(t *testing.T) {
	t.Parallel()
	const key = "EJIYfkq6TtsGRTxIBTvF76IQwyldzkMed6q6vYYvspM="
	for name, verifier := range map[string]string{
		"empty":             "",
		"a password":        "secret",
		"md5":               "md53175bce1d3201d16594cebf9d7eb3f9d",
		"no salt":           "SCRAM-SHA-256$4096$" + key + ":" + key,
		"empty salt":        "SCRAM-SHA-256$4096:$" + key + ":" + key,
		"salt not base64":   "SCRAM-SHA-256$4096:!$" + key + ":" + key,
		"salt too long":     "SCRAM-SHA-256$4096:" + strings.Repeat("AAAA", 100) + "$" + key + ":" + key,
		"one key":           "SCRAM-SHA-256$4096:AAAA$" + key,
		"key too short":     "SCRAM-SHA-256$4096:AAAA$" + key + ":AAAA",
		"no iterations":     "SCRAM-SHA-256$:AAAA$" + key + ":" + key,
		"zero iterations":   "SCRAM-SHA-256$0:AAAA$" + key + ":" + key,
		"endless work":      "SCRAM-SHA-256$2000000000:AAAA$" + key + ":" + key,
		"negative":          "SCRAM-SHA-256$-1:AAAA$" + key + ":" + key,
		"not a number":      "SCRAM-SHA-256$x:AAAA$" + key + ":" + key,
		"another mechanism": "SCRAM-SHA-1$4096:AAAA$" + key + ":" + key,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := auth.ParseVerifier(verifier); err == nil {
				t.Error("got no error")
			} else if verifier != "" && strings.Contains(err.Error(), key) {
				t.Errorf("the error repeats a key: %v", err)
			}
		})
	}
}

func FuzzParseVerifier(f *testing.F) {
	f.Add("SCRAM-SHA-256$4096:KNnJvBWKMvlT4/COek5zRA==$EJIYfkq6TtsGRTxIBTvF76IQwyldzkMed6q6vYYvspM=:vKfr+1zGE188FBZQCeqMiasvbx9Jxt3op7bMwbKzYYI=")
	f.Add("SCRAM-SHA-256$:$:")
	f.Fuzz(func(t *testing.T, verifier string) {
		secret, err := auth.ParseVerifier(verifier)
		stored, server := secret.Keys()
		if err == nil && (len(stored) != 32 || len(server) != 32 || secret.Salt() == "") {
			t.Errorf("%q gave keys of %d and %d bytes", verifier, len(stored), len(server))
		}
	})
}
