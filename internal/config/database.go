// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
	"time"
)

// Database is a name that clients may connect to, [databases.NAME] in weir.toml.
type Database struct {
	Name     string // as clients say it; "*" is any other
	Upstream string // as [Config.Upstream], which "" stands for
	Database string // its name on the server; "": that of its own Upstream, else Name
	// User and Password log in to the server for every client of this database.
	// "" leaves it to the client's [User].
	User     string
	Password string

	pool overrides
}

// User is who may log in to weir, [users.NAME] in weir.toml.
type User struct {
	Name string
	// Password is in clear or a SCRAM-SHA-256 verifier as in pg_authid. It is ""
	// if the upstream's URL has it, or a client certificate stands for it.
	Password string
	// UpstreamUser and UpstreamPassword log in to the server. "" is Name and
	// Password; a verifier cannot do that, so with one they are set.
	UpstreamUser     string
	UpstreamPassword string

	pool overrides
}

// databaseSettings is what [databases.NAME] can hold besides its pool table.
var databaseSettings = []setting[Database]{
	{
		key: "upstream", help: "the server, if not the one of `upstream`",
		cell: at(connection(), func(d *Database) *string { return &d.Upstream }),
	},
	{
		key: "database", help: "name of the database on the server, if another",
		cell: at(name(), func(d *Database) *string { return &d.Database }),
	},
	{
		key: "user", help: "role that every client of this database has on the server",
		cell: at(name(), func(d *Database) *string { return &d.User }),
	},
	{
		key: "password", help: "password of that role",
		cell: at(secret(), func(d *Database) *string { return &d.Password }),
	},
}

// userSettings is what [users.NAME] can hold besides its pool table.
var userSettings = []setting[User]{
	{
		key: "password", help: "password in clear, or a SCRAM-SHA-256 verifier as in pg_authid",
		cell: at(secret(), func(u *User) *string { return &u.Password }),
	},
	{
		key: "upstream_user", help: "role on the server, if another",
		cell: at(name(), func(u *User) *string { return &u.UpstreamUser }),
	},
	{
		key: "upstream_password", help: "password of that role",
		cell: at(secret(), func(u *User) *string { return &u.UpstreamPassword }),
	},
}

// override is one pool setting that a database or user has for itself.
type override struct {
	row setting[Config]
	set func(*Config)
}

type overrides []override

// apply changes p where o says so.
func (o overrides) apply(p *Pool) {
	c := Config{Pool: *p}
	for _, one := range o {
		one.set(&c)
	}
	*p = c.Pool
}

// over returns settings of which only those in o are meant.
func (o overrides) over() *Config {
	c := &Config{}
	o.apply(&c.Pool)
	return c
}

// rows returns the settings in o.
func (o overrides) rows() []setting[Config] {
	list := make([]setting[Config], len(o))
	for i, one := range o {
		list[i] = one.row
	}
	return list
}

// has reports whether key is set.
func (o overrides) has(key string) bool {
	return slices.ContainsFunc(o, func(one override) bool { return one.row.key == key })
}

// DatabaseFor returns the database that a client asks for by name, with Name,
// Upstream and Database filled in. It is false if there is none.
func (c *Config) DatabaseFor(name string) (Database, bool) {
	d, ok := c.database(name)
	d.Name = name
	if d.Upstream == "" {
		d.Upstream = c.Upstream
	}
	if d.Database == "" {
		d.Database = name
	}
	return d, ok
}

func (c *Config) database(name string) (Database, bool) {
	var rest Database
	var found bool
	for _, d := range c.Databases {
		switch d.Name {
		case name:
			return d, true
		case "*":
			rest, found = d, true
		}
	}
	return rest, found || len(c.Databases) == 0
}

// UserFor returns the configured user of that name. It is false if there is
// none, also where Users is empty and the upstream's own user logs in.
func (c *Config) UserFor(name string) (User, bool) {
	for _, u := range c.Users {
		if u.Name == name {
			return u, true
		}
	}
	return User{}, false
}

// PoolFor returns the pool settings of a database and user as clients name
// them: those of the user, else of the database, else of [Config.Pool]. A
// minimum or reserve that a lower maximum leaves no room for gives way.
func (c *Config) PoolFor(database, user string) Pool {
	p := c.Pool
	d, _ := c.database(database)
	d.pool.apply(&p)
	u, _ := c.UserFor(user)
	u.pool.apply(&p)
	p.Min = min(p.Min, p.Max)
	p.Reserve = min(p.Reserve, p.Max-1)
	return p
}

// ShortestTimeout returns the shortest of the time-outs that end clients, of
// all pools; 0 where none is set.
func (c *Config) ShortestTimeout() time.Duration {
	pools := []Pool{c.Pool}
	for _, d := range c.Databases {
		pools = append(pools, c.PoolFor(d.Name, ""))
	}
	for _, u := range c.Users {
		pools = append(pools, c.PoolFor("", u.Name))
	}
	var shortest time.Duration
	for _, p := range pools {
		for _, d := range []time.Duration{p.IdleTransactionTimeout, p.TransactionTimeout, p.ClientIdleTimeout} {
			if d > 0 && (shortest == 0 || d < shortest) {
				shortest = d
			}
		}
	}
	return shortest
}

// poolSettings returns the settings that one database or user can have for itself.
func poolSettings() []setting[Config] {
	var list []setting[Config]
	for _, s := range settings {
		if strings.HasPrefix(s.key, "pool.") {
			list = append(list, s)
		}
	}
	return list
}
