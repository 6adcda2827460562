// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// checkUpstreams reads every upstream's URL, leaves out what is not for
// PostgreSQL, and checks who may log in because of it.
func (l *loader) checkUpstreams() {
	shared, ok := l.checkURL("upstream", &l.Upstream)
	if ok && shared == nil && !l.bad["upstream"] && !l.bad[configFlag] {
		l.requireUpstream()
	}
	for i := range l.Databases {
		d := &l.Databases[i]
		key := dotted([]string{"databases", d.Name, "upstream"})
		own, ok := l.checkURL(key, &d.Upstream)
		switch {
		case !ok:
			continue
		case own == nil:
			own, key = shared, "upstream"
		case d.Database == "" && d.Name != "*":
			d.Database = own.Database
		}
		if own != nil && d.Password == "" {
			l.checkOpen(key, own)
		}
	}
	if shared != nil && len(l.Databases) == 0 {
		l.checkOpen("upstream", shared)
	}
	for _, u := range l.Users {
		l.checkUser(u, shared)
	}
}

// requireUpstream reports that there is no upstream for all databases, unless
// every one has its own.
func (l *loader) requireUpstream() {
	for _, d := range l.Databases {
		if d.Upstream == "" {
			key := dotted([]string{"databases", d.Name})
			l.wrong(key, l.origins[key], "", "has no upstream: add one, or set DATABASE_URL for all databases that have none")
		}
	}
	if len(l.Databases) > 0 {
		return
	}
	how := "DATABASE_URL (or --upstream, or upstream in weir.toml)"
	if l.place == Inside {
		how = "Config.Upstream (or DATABASE_URL, for ConfigFromEnv)"
	}
	m := Mistake{Problem: "no upstream: set " + how + " to the URL of the PostgreSQL server, postgres://user:password@host:5432/database"}
	if l.env["DATABASE_URI"] != "" {
		m.Where, m.Nearest = "env DATABASE_URI", "DATABASE_URL"
	}
	l.mistakes = append(l.mistakes, m)
}

// checkURL cleans the URL of an upstream and reads it. It returns nil for "",
// and false if there is a mistake.
func (l *loader) checkURL(key string, text *string) (*pgconn.Config, bool) {
	if *text == "" {
		return nil, true
	}
	from, masked := l.origins[key], maskURL(*text)
	clean, notices, err := CleanURL(*text)
	if err != nil {
		l.wrong(key, from, masked, err.Error())
		return nil, false
	}
	*text = clean
	l.Notices = append(l.Notices, notices...)
	parsed, err := readURL(clean)
	if err != nil {
		l.wrong(key, from, masked, err.Error())
		return nil, false
	}
	for _, host := range hosts(parsed) {
		if l.place == Served && l.isOwn(host.Host, host.Port) {
			l.wrong(key, from, masked, fmt.Sprintf("this is where weir itself listens (%s): give the URL of the PostgreSQL server, or another listen address",
				strings.Join(l.Listen, ",")))
			return nil, false
		}
	}
	return parsed, true
}

// readURL reads a connection string that CleanURL has returned. The error quotes
// nothing of it that may be secret.
func readURL(clean string) (*pgconn.Config, error) {
	d, err := parseDSN(clean)
	if err != nil {
		return nil, err
	}
	parsed, err := pgconn.ParseConfig(clean)
	if err != nil {
		return nil, d.reason(err)
	}
	return parsed, d.agrees(parsed)
}

// reason is pgconn's error without the connection string that it quotes, which it
// masks as well as it can.
func (d *dsn) reason(err error) error {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+len("`: "):]
	}
	if strings.HasPrefix(text, "failed to parse") || d.quotes(text) {
		return errors.New("libpq's rules do not allow this connection string: " + encode)
	}
	return errors.New(text)
}

// hosts returns all servers that a connection may go to.
func hosts(c *pgconn.Config) []*pgconn.FallbackConfig {
	return append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port}}, c.Fallbacks...)
}

// checkOpen reports an upstream without a password while weir listens to other
// machines: with nothing to ask for, weir would let anyone in.
func (l *loader) checkOpen(key string, upstream *pgconn.Config) {
	where := l.open()
	if l.place == Inside || where == "" || upstream.Password != "" || len(l.Users) > 0 || l.bad[key] || l.bad[configFlag] {
		return
	}
	l.wrong(key, l.origins[key], "", fmt.Sprintf(
		"has no password (user %s, host %s), so weir has nothing to ask clients for and accepts them from this machine only, but listens on %s: add the password, list [users], or listen on 127.0.0.1",
		upstream.User, net.JoinHostPort(upstream.Host, strconv.Itoa(int(upstream.Port))), where))
}

// verifier is PostgreSQL's form of a SCRAM password (pg_authid, auth-scram.c).
var verifier = regexp.MustCompile(`^SCRAM-SHA-256\$[1-9][0-9]*:[A-Za-z0-9+/]+=*\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$`)

// md5 is PostgreSQL's form of an md5 password.
var md5 = regexp.MustCompile(`^md5[0-9a-f]{32}$`)

// checkUser checks that a user can prove who they are, and weir can for them.
func (l *loader) checkUser(u User, shared *pgconn.Config) {
	owner := dotted([]string{"users", u.Name})
	key := owner + ".password"
	isVerifier := strings.HasPrefix(u.Password, "SCRAM-SHA-256$")
	switch {
	case l.bad[key]:
	case u.Password == "":
		known := shared != nil && shared.User == u.Name && shared.Password != ""
		if !known && !l.bad["upstream"] {
			l.wrong(owner, l.origins[owner], "", "has no password: add one, or a SCRAM-SHA-256 verifier")
		}
	case md5.MatchString(u.Password):
		l.wrong(key, l.origins[key], hidden, "expected a password or a SCRAM-SHA-256 verifier, not an md5 hash, with which no client can log in by SCRAM")
	case isVerifier && !verifier.MatchString(u.Password):
		l.wrong(key, l.origins[key], hidden, "expected a whole verifier as in pg_authid, SCRAM-SHA-256$iterations:salt$stored:server")
	case isVerifier && u.UpstreamUser == "" && u.UpstreamPassword == "" && !l.databasesLogIn():
		l.wrong(key, l.origins[key], hidden, "a verifier cannot log in to PostgreSQL: add upstream_user and upstream_password")
	}
}

// databasesLogIn reports whether every database has a user of its own on the server.
func (c *Config) databasesLogIn() bool {
	lacks := func(d Database) bool { return d.User == "" }
	return len(c.Databases) > 0 && !slices.ContainsFunc(c.Databases, lacks)
}
