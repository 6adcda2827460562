// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/config"
)

func TestCleanURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, give, want string
		notices          int
	}{
		{"nothing to clean", "postgres://a:b@h:1/d", "postgres://a:b@h:1/d", 0},
		{"what stays is as it was", "postgres://a:b%40@h/d?options=-c%20x%3d1&sslmode=require", "postgres://a:b%40@h/d?options=-c%20x%3d1&sslmode=require", 0},
		{"a startup setting stays", "postgres://h/d?search_path=x", "postgres://h/d?search_path=x", 0},
		{"connect_timeout stays", "postgres://h/d?connect_timeout=5&schema=x", "postgres://h/d?connect_timeout=5", 1},
		{"the last one goes with its mark", "postgres://h/d?pgbouncer=true", "postgres://h/d", 1},
		{"an escaped key", "postgres://h/d?sch%65ma=x", "postgres://h/d", 1},
		{"a question mark in the password", "postgres://a:b?schema=c@h/d", "postgres://a:b?schema=c@h/d", 0},
		{"what is libpq's and weir's stays", "postgres://h/d?keepalives=0&load_balance_hosts=random", "postgres://h/d?keepalives=0&load_balance_hosts=random", 0},
		{"a line feed at the end", " postgres://a:b@h/d?sslmode=require\n", "postgres://a:b@h/d?sslmode=require", 0},
		{"pairs", "host=h password='it\\'s a \\\\' connection_limit = 5 user = a", "host=h password='it\\'s a \\\\' user = a", 1},
		{"hostaddr is a host", "hostaddr=10.0.0.1 user=a", "host=10.0.0.1 user=a", 0},
		{"hostaddr beside a host", "host=h hostaddr=10.0.0.1", "host=h", 1},
		{"strict replaces the mode", "postgres://h/d?sslmode=prefer&sslaccept=strict", "postgres://h/d?sslmode=verify-full", 1},
		{"disabled stays so", "postgres://h/d?sslmode=disable&sslaccept=strict", "postgres://h/d?sslmode=disable", 0},
		{"invalid certificates are accepted anyway", "postgres://h/d?sslmode=require&sslaccept=accept_invalid_certs", "postgres://h/d?sslmode=require", 0},
		{"Prisma's certificate is an authority", "postgres://h/d?sslaccept=strict&sslcert=%2fx.pem", "postgres://h/d?sslrootcert=%2fx.pem&sslmode=verify-full", 2},
		{"libpq's certificate is one", "postgres://h/d?sslcert=a&sslkey=b", "postgres://h/d?sslcert=a&sslkey=b", 0},
		{"PKCS#12 and its password go", "postgres://h/d?sslidentity=a&sslpassword=b", "postgres://h/d", 1},
		{"a key's password stays", "postgres://h/d?sslcert=a&sslkey=b&sslpassword=c", "postgres://h/d?sslcert=a&sslkey=b&sslpassword=c", 0},
		{"no-verify is require", "postgres://h/d?sslmode=no-verify", "postgres://h/d?sslmode=require", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, notices, err := config.CleanURL(tt.give)
			if err != nil || got != tt.want || len(notices) != tt.notices {
				t.Errorf("got %s, notices %q, error %v; want %s and %d notices", got, notices, err, tt.want, tt.notices)
			}
		})
	}
}

func TestCleanURLRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"mysql://h/d":                    "begins with postgres://",
		"prisma://h/?api_key=hunter2":    "Prisma Accelerate",
		"jdbc:postgresql://h/d":          "JDBC",
		"postgres+asyncpg://h/d":         "driver",
		"db.example.com":                 "key=value",
		"host=h password='hunter2":       "quote",
		"postgres://h/d?a=%zz":           "hexadecimal",
		"postgres://u:hu/n?ter2@h/d":     "%3F",
		"postgres://h/d?sslmode=perhaps": "verify-full",
	}
	for give, want := range tests {
		_, _, err := config.CleanURL(give)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: error %v, want one about %s", give, err, want)
		}
	}
}

func FuzzCleanURL(f *testing.F) {
	for _, seed := range []string{
		"postgres://a:b@h:1/d?schema=public&sslmode=require&sslaccept=strict",
		"postgresql://a:b%40c@h1,h2/d?sslcert=x&sslidentity=y",
		"host=h password='it\\'s' connection_limit = 5 user = a\\ b",
		"postgres://a:b?c@h/d?e", "host='", "=", "postgres://?&&=&",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clean, _, err := config.CleanURL(text)
		if err != nil {
			return
		}
		again, notices, err := config.CleanURL(clean)
		if err != nil || again != clean || len(notices) > 0 {
			t.Errorf("%q cleans to %q, and that to %q with notices %q, error %v", text, clean, again, notices, err)
		}
	})
}
