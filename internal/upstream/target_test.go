// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/upstream"
)

func TestParseTarget(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, dsn                         string
		address, database, user, password string
	}{
		{"url", "postgres://bob:s3cret@db.example:6000/shop?sslmode=disable", "db.example:6000", "shop", "bob", "s3cret"},
		{"database is the role's where none is named", "postgres://bob:p@db.example?sslmode=disable", "db.example:5432", "bob", "bob", "p"},
		{"key=value", "host=db.example user=bob password='a b' dbname=shop", "db.example:5432", "shop", "bob", "a b"},
		{"sslmode=prefer names the host once", "postgres://bob@db.example/shop?sslmode=prefer", "db.example:5432", "shop", "bob", ""},
		{"several hosts", "postgres://bob@one:1,two:2/shop", "one:1, two:2", "shop", "bob", ""},
		{"IPv6", "postgres://bob@[::1]:6000/shop", "[::1]:6000", "shop", "bob", ""},
		{"Unix socket", "host=/run/pg port=6000 user=bob dbname=shop", "/run/pg/.s.PGSQL.6000", "shop", "bob", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := target(t, test.dsn)
			for _, pair := range [][2]string{
				{got.Address(), test.address},
				{got.Database(), test.database},
				{got.User(), test.user},
				{got.Password(), test.password},
			} {
				if pair[0] != pair[1] {
					t.Errorf("got %q, want %q", pair[0], pair[1])
				}
			}
		})
	}
}

func TestParseTargetRefuses(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, test := range []struct{ name, dsn, want string }{
		{"a URL that does not parse", "postgres://bob:/" + secret + "?" + secret + "@db/shop", "percent-encoded"},
		{"neither form", "bob " + secret + " db", "neither a postgres:// URL nor"},
		{"a port", "postgres://bob:" + secret + "@db:port/shop", "invalid port"},
		{"an sslmode", "postgres://bob:" + secret + "@db/shop?sslmode=always", "sslmode is invalid"},
		{"a missing certificate", "postgres://bob:" + secret + "@db/shop?sslrootcert=/none.crt", "/none.crt"},
		{"a guarantee weir cannot give", "postgres://bob:" + secret + "@db/shop?sslcrl=/x.crl", `weir does not support sslcrl="/x.crl"`},
		{"GSS encryption", "postgres://bob:" + secret + "@db/shop?gssencmode=require", `gssencmode="require"`},
		{"replication", "postgres://bob:" + secret + "@db/shop?replication=database", `replication="database"`},
		{"a number", "postgres://bob:" + secret + "@db/shop?keepalives_idle=30s", `keepalives_idle="30s" is not a whole number`},
		{"a TLS version", "postgres://bob:" + secret + "@db/shop?ssl_min_protocol_version=1.2", "TLSv1.2"},
		{"a balance", "postgres://bob:" + secret + "@db/shop?load_balance_hosts=yes", "must be disable or random"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := upstream.ParseTarget(test.dsn)
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("error %q contains the password", err)
			}
		})
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	base := target(t, "postgres://bob:old@db/shop")
	for _, test := range []struct {
		name                     string
		database, user, password string
		want                     [3]string
	}{
		{"nothing changes", "", "", "", [3]string{"shop", "bob", "old"}},
		{"another database", "stock", "", "", [3]string{"stock", "bob", "old"}},
		{"the same role named", "", "bob", "", [3]string{"shop", "bob", "old"}},
		{"another role never gets this one's password", "", "eve", "", [3]string{"shop", "eve", ""}},
		{"another role", "stock", "eve", "new", [3]string{"stock", "eve", "new"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			other := base.With(test.database, test.user, test.password)
			if got := [3]string{other.Database(), other.User(), other.Password()}; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if got := base.User(); got != "bob" {
				t.Errorf("the original's role became %q", got)
			}
		})
	}
}

func TestEnvironmentAndPasswordFile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("PGHOST", "db.example")
	t.Setenv("PGPORT", "6000")
	t.Setenv("PGUSER", "bob")
	t.Setenv("PGDATABASE", "shop")
	line := "db.example:6000:shop:bob:from the file\n"
	if err := os.WriteFile(filepath.Join(home, ".pgpass"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	got := target(t, "")
	if got.Address() != "db.example:6000" || got.Database() != "shop" || got.User() != "bob" {
		t.Errorf("got %s, database %s, role %s", got.Address(), got.Database(), got.User())
	}
	if want := "from the file"; got.Password() != want {
		t.Errorf("password = %q, want %q", got.Password(), want)
	}
}
