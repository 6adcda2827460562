// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
)

// Changes lists the settings that differ between two loads, by their keys:
// those that a running gateway can take over, and those for which it has to be
// started again. Databases and users are one key each.
func (c *Config) Changes(next *Config) (changed, fixed []string) {
	for _, s := range settings {
		switch {
		case reflect.DeepEqual(s.value(c), s.value(next)):
		case s.fixed:
			fixed = append(fixed, s.key)
		default:
			changed = append(changed, s.key)
		}
	}
	if !slices.EqualFunc(c.Databases, next.Databases, sameDatabase) {
		changed = append(changed, "databases")
	}
	if !slices.EqualFunc(c.Users, next.Users, sameUser) {
		changed = append(changed, "users")
	}
	return changed, fixed
}

func sameDatabase(a, b Database) bool {
	return a.Name == b.Name && a.Upstream == b.Upstream && a.Database == b.Database &&
		a.User == b.User && a.Password == b.Password && a.pool.same(b.pool)
}

func sameUser(a, b User) bool {
	return a.Name == b.Name && a.Password == b.Password &&
		a.UpstreamUser == b.UpstreamUser && a.UpstreamPassword == b.UpstreamPassword && a.pool.same(b.pool)
}

// same reports whether two lists set the same settings to the same values.
func (o overrides) same(other overrides) bool {
	return slices.Equal(keys(o.rows()), keys(other.rows())) && reflect.DeepEqual(o.over().Pool, other.over().Pool)
}

// Files lists the files from which the settings were read, and those that
// connections to PostgreSQL take from them: a change of any may change what weir
// does. Some need not exist.
func (c *Config) Files() []string {
	list := []string{c.file, c.ClientTLS.Cert, c.ClientTLS.Key, c.ClientTLS.CA}
	for _, url := range c.urls() {
		d, err := parseDSN(url)
		if err != nil {
			continue // Load has said so
		}
		for key, variable := range libpqFiles {
			list = append(list, d.get(key), os.Getenv(variable))
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		list = append(list, filepath.Join(home, ".pgpass"), filepath.Join(home, ".pg_service.conf"))
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(path string) bool { return path == "" })
}

// libpqFiles are the parameters that name files, with their variables (libpq
// documentation, 34.1.2 and 34.15).
var libpqFiles = map[string]string{
	"passfile":    "PGPASSFILE",
	"servicefile": "PGSERVICEFILE",
	"sslcert":     "PGSSLCERT",
	"sslkey":      "PGSSLKEY",
	"sslrootcert": "PGSSLROOTCERT",
}

// urls lists the upstreams.
func (c *Config) urls() []string {
	list := []string{c.Upstream}
	for _, d := range c.Databases {
		list = append(list, d.Upstream)
	}
	return list
}
