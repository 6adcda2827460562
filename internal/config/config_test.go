// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/weir-pg/weir/internal/config"
)

// load loads a weir.toml, which must be right.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "weir.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Source{File: path})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := config.Default()
	want := config.Pool{
		Mode: config.Transaction, Min: 2, Max: 10,
		AcquireTimeout: 30 * time.Second, IdleTimeout: 30 * time.Second, Lifetime: time.Hour,
		MaxPinned: config.Share{Percent: 50}, PinWarnAfter: time.Minute,
		ConnectTimeout: 15 * time.Second, CheckAfter: 30 * time.Second, StatementTimeout: 30 * time.Second,
		MaxPreparedStatements: 200, MaxStatementBytes: 16 << 20, MaxNotificationBytes: 1 << 20, MaxConnecting: 4,
		DeferBegin: true, RetryUnsent: true, RetryConflicts: true, RetryReads: true,
		Pooling: true, CacheTTL: 5 * time.Minute,
	}
	if c.Pool != want {
		t.Errorf("pool %+v, want %+v", c.Pool, want)
	}
	if !slices.Equal(c.Listen, []string{"127.0.0.1:6432"}) || c.HTTP != "127.0.0.1:6433" {
		t.Errorf("listens on %q and %q", c.Listen, c.HTTP)
	}
}

func TestNamesFollowFromOneRule(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("weir", pflag.ContinueOnError)
	config.RegisterFlags(fs)
	fs.VisitAll(func(f *pflag.Flag) {
		variable := "WEIR_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if !strings.Contains(f.Usage, "(env "+variable) {
			t.Errorf("--%s does not go with %s: %s", f.Name, variable, f.Usage)
		}
	})
}

func TestPoolForTakesTheNarrowestSetting(t *testing.T) {
	t.Parallel()
	c := load(t, `
		upstream = "postgres://app:secret@db/app"
		pool = { min = 4, max = 20, reserve = 3 }
		databases = { app.pool = { max = 8, mode = "session" }, "*".pool.max = 12 }
		users = { alice = { password = "a", pool = { max = 3 } }, bob.password = "b" }
	`)
	tests := []struct {
		database, user    string
		min, max, reserve int
		mode              config.Mode
	}{
		{"app", "bob", 4, 8, 3, config.Session},
		{"app", "alice", 3, 3, 2, config.Session},
		{"other", "bob", 4, 12, 3, config.Transaction},
		{"other", "alice", 3, 3, 2, config.Transaction},
		{"other", "nobody", 4, 12, 3, config.Transaction},
	}
	for _, tt := range tests {
		p := c.PoolFor(tt.database, tt.user)
		if p.Min != tt.min || p.Max != tt.max || p.Reserve != tt.reserve || p.Mode != tt.mode {
			t.Errorf("%s, %s: min %d, max %d, reserve %d, %s; want %+v", tt.database, tt.user, p.Min, p.Max, p.Reserve, p.Mode, tt)
		}
	}
}

func TestDatabaseForKnowsTheServer(t *testing.T) {
	t.Parallel()
	const shared, own = "postgres://app:secret@db/app", "postgres://app:secret@other/real"
	any := load(t, "upstream = '"+shared+"'")
	some := load(t, `
		upstream = "`+shared+`"
		databases.app = {}
		databases.moved.upstream = "`+own+`"
		databases.renamed = { upstream = "`+own+`", database = "new", user = "u", password = "p" }
	`)
	rest := load(t, `
		upstream = "`+shared+`"
		databases."*".upstream = "`+own+`"
		databases.app = {}
	`)
	tests := []struct {
		config   *config.Config
		name     string
		found    bool
		upstream string
		database string
	}{
		{any, "app", true, shared, "app"},
		{any, "other", true, shared, "other"},
		{some, "app", true, shared, "app"},
		{some, "moved", true, own, "real"},
		{some, "renamed", true, own, "new"},
		{some, "other", false, "", ""},
		{rest, "app", true, shared, "app"},
		{rest, "other", true, own, "other"},
	}
	for _, tt := range tests {
		d, found := tt.config.DatabaseFor(tt.name)
		if found != tt.found {
			t.Errorf("%s: found is %v, want %v", tt.name, found, tt.found)
			continue
		}
		if found && (d.Name != tt.name || d.Upstream != tt.upstream || d.Database != tt.database) {
			t.Errorf("%s: %s on %s, want %s on %s", d.Name, d.Database, d.Upstream, tt.database, tt.upstream)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		listen []string
		want   []config.Address
	}{
		{[]string{"127.0.0.1:7000"}, []config.Address{{"tcp", "127.0.0.1:7000"}}},
		{[]string{"[::1]:7000", "/run/weir"}, []config.Address{{"tcp", "[::1]:7000"}, {"unix", "/run/weir/.s.PGSQL.7000"}}},
		{[]string{"/run/weir/"}, []config.Address{{"unix", "/run/weir/.s.PGSQL.6432"}}},
		{[]string{"/run/weir/.s.PGSQL.5432"}, []config.Address{{"unix", "/run/weir/.s.PGSQL.5432"}}},
	}
	for _, tt := range tests {
		c := config.Config{Listen: tt.listen}
		if got := c.Addresses(); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %v, want %v", tt.listen, got, tt.want)
		}
	}
}

func TestJSONHasTypedValuesAndNoSecrets(t *testing.T) {
	t.Parallel()
	c := load(t, `
		upstream = "postgres://app:hunter2@db/app"
		pool.acquire_timeout = 1500
		users.alice = { password = "hunter2" }
	`)
	var b bytes.Buffer
	if err := c.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "hunter2") {
		t.Errorf("shows a password: %s", b.String())
	}
	var list []struct {
		Setting, Source string
		Value           any
	}
	if err := json.Unmarshal(b.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	for _, one := range list {
		values[one.Setting] = one.Value
	}
	want := map[string]any{
		"pool.max": 10.0, "pool.pooling": true, "pool.acquire_timeout": "1.5s",
		"pool.max_statement_bytes": float64(16 << 20), "users.alice.password": "********",
	}
	for key, value := range want {
		if values[key] != value {
			t.Errorf("%s is %v, want %v", key, values[key], value)
		}
	}
}
