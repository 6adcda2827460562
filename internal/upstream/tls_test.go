// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"crypto/tls"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/upstream"
)

// unprepared is a password that SASLprep makes another one of (RFC 4013): SCRAM is
// to be spoken with that, and everything else with this.
const unprepared = "Ⅸ\u00a0hunters"

// rules let each role in by one way only; the role's name says which.
var rules = []string{
	"hostssl   all cert_user  127.0.0.1/32 cert",
	"hostssl   all tls_user   127.0.0.1/32 scram-sha-256",
	"hostnossl all tls_user   127.0.0.1/32 reject",
	"hostnossl all plain_user 127.0.0.1/32 scram-sha-256",
	"hostssl   all plain_user 127.0.0.1/32 reject",
	"host      all md5_user   127.0.0.1/32 md5",
	"host      all clear_user 127.0.0.1/32 password",
	"host      all trust_user 127.0.0.1/32 trust",
}

// secure is a server with TLS, the roles of rules and an authority for client
// certificates.
type secure struct {
	dsn  string // host=localhost, verify-full
	root string // vouches for the server
	cert string // of cert_user
	key  string
}

func newSecure(t *testing.T) *secure {
	t.Helper()
	server := testpg.New(t, pgserver.Options{TLS: true, HBA: rules})
	testpg.Exec(t, server.URL(), `
		create role cert_user login; create role trust_user login;
		create role tls_user login password '`+unprepared+`'; create role plain_user login password '`+unprepared+`';
		create role clear_user login password '`+unprepared+`';
		set password_encryption = md5; create role md5_user login password '`+unprepared+`'`)
	s := &secure{root: server.RootCert()}
	s.makeClient(t, server)
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Host = "localhost:" + strconv.Itoa(server.Port())
	s.dsn = u.String()
	return s
}

// makeClient makes cert_user's certificate and has the server trust it.
func (s *secure) makeClient(t *testing.T, server *pgserver.Server) {
	t.Helper()
	s.cert, s.key = certificate(t, "cert_user")
	text, err := os.ReadFile(s.cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(server.Dir(), "client.crt"), text, 0o644); err != nil { //nolint:gosec // a certificate is public
		t.Fatal(err)
	}
	testpg.Exec(t, server.URL(), "alter system set ssl_ca_file = 'client.crt'")
	if err := server.Restart(within(t), pgserver.Fast); err != nil {
		t.Fatal(err)
	}
}

// certificate is of the client called name, and valid now.
func certificate(t *testing.T, name string) (certFile, keyFile string) {
	t.Helper()
	now := time.Now()
	return testpg.Certificate(t, name, now.Add(-time.Hour), now.Add(time.Hour))
}

func TestTransportSecurity(t *testing.T) {
	t.Parallel()
	s := newSecure(t)
	otherRoot, _ := certificate(t, "other")
	strange, strangeKey := certificate(t, "cert_user")
	verified := []string{"sslmode", "verify-full", "sslrootcert", s.root}

	for _, test := range []struct {
		name  string
		user  string // "" is the superuser
		pairs []string
		tls   bool   // what the session must have
		err   string // or what the refusal must say
	}{
		{"disable", "", []string{"sslmode", "disable", "sslrootcert", ""}, false, ""},
		{"allow takes plain text first", "", []string{"sslmode", "allow"}, false, ""},
		{"allow falls to TLS where plain text is refused", "tls_user", []string{"sslmode", "allow"}, true, ""},
		{"prefer takes TLS first", "", []string{"sslmode", "prefer"}, true, ""},
		{"prefer falls to plain text where TLS is refused", "plain_user", []string{"sslmode", "prefer"}, false, ""},
		{"require", "", []string{"sslmode", "require", "sslrootcert", ""}, true, ""},
		{"require never falls to plain text", "plain_user", []string{"sslmode", "require"}, false, "pg_hba.conf rejects connection"},
		{"disable never goes to TLS", "tls_user", []string{"sslmode", "disable"}, false, "pg_hba.conf rejects connection"},
		{"require with a root is verify-ca", "", []string{"sslmode", "require", "sslrootcert", otherRoot}, false, "certificate signed by unknown authority"},
		{"verify-ca", "", []string{"sslmode", "verify-ca", "sslrootcert", s.root}, true, ""},
		{"verify-ca with another root", "", []string{"sslmode", "verify-ca", "sslrootcert", otherRoot}, false, "certificate signed by unknown authority"},
		{"verify-full", "", verified, true, ""},
		{"verify-full with another root", "", []string{"sslmode", "verify-full", "sslrootcert", otherRoot}, false, "certificate signed by unknown authority"},
		{"channel binding", "tls_user", append(verified, "channel_binding", "require"), true, ""},
		{"channel binding in plain text", "", []string{"sslmode", "disable", "channel_binding", "require"}, false, "channel binding required"},
		{"at least TLS 1.3", "", append(verified, "ssl_min_protocol_version", "TLSv1.3"), true, ""},
		{"at most TLS 1.2", "", append(verified, "ssl_max_protocol_version", "TLSv1.2"), true, ""},
		{"a client certificate", "cert_user", append(verified, "sslcert", s.cert, "sslkey", s.key), true, ""},
		{"a client certificate is missing", "cert_user", verified, false, "connection requires a valid client certificate"},
		// In TLS 1.3 the server looks at the certificate after the client has begun
		// to talk, and its reset may overtake the alert.
		{"a client certificate of another authority", "cert_user", append(verified, "sslcert", strange, "sslkey", strangeKey, "ssl_max_protocol_version", "TLSv1.2"), false, "it ended TLS with the alert"},
		{"md5", "md5_user", verified, true, ""},
		{"cleartext password", "clear_user", verified, true, ""},
		{"trust", "trust_user", verified, true, ""},
		{"require_auth refuses a cleartext password", "clear_user", append(verified, "require_auth", "scram-sha-256"), false, `authentication method requirement "scram-sha-256" failed`},
		{"require_auth refuses trust", "trust_user", append(verified, "require_auth", "scram-sha-256"), false, `authentication method requirement "scram-sha-256" failed`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dsn := edit(t, s.dsn, test.pairs...)
			if test.user != "" {
				dsn = as(t, dsn, test.user, unprepared)
			}
			if test.err != "" {
				err := refused(t, dsn)
				wantFailure(t, err, upstream.Rejected, sqlstate.From(err).Code, test.err)
				return
			}
			l := login(t, dsn, nil)
			got := ask(t, l.Stream, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
			if want := strconv.FormatBool(test.tls)[:1]; got != want {
				t.Errorf("ssl = %s, want %s", got, want)
			}
			cancels(t, l)
		})
	}
}

// The certificate is for localhost and the loopback addresses.
func TestVerifyFullChecksTheName(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{TLS: true})
	// 127.0.0.2 is the same machine under an address the certificate lacks.
	testpg.Exec(t, server.URL(), "alter system set listen_addresses = '127.0.0.1,127.0.0.2'")
	if err := server.Restart(within(t), pgserver.Fast); err != nil {
		t.Skip("only Linux has all of 127.0.0.0/8: ", err)
	}
	dsn := strings.Replace(server.URL(), "127.0.0.1", "127.0.0.2", 1)
	wantFailure(t, refused(t, dsn), upstream.Rejected, sqlstate.ConnectionFailure, "127.0.0.2")
}

func TestSwapUnderTLS(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{TLS: true})
	l := login(t, server.URL(), nil)
	if _, ok := l.Stream.(*tls.Conn); !ok {
		t.Fatalf("stream is a %T, want *tls.Conn", l.Stream)
	}
	swap(t, l)
	if got := ask(t, l.Stream, "select repeat('x', 100000)"); len(got) != 100000 {
		t.Errorf("%d bytes over the new transport, want 100000", len(got))
	}
	cancels(t, l)
}
