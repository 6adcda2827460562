// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// maxLoginMessage bounds a message during login and while reading limits, when
// the other side may be anything. The largest real one is an ErrorResponse.
const maxLoginMessage = 1 << 20 // 1 MiB

// Target is where PostgreSQL is and as whom to log in, parsed once. It does
// not change, so any number of goroutines may use it.
type Target struct {
	dsn    string // as given
	config *pgconn.Config
	routes []route
	dialer dialer
	random bool // load_balance_hosts=random
	hosts  *Hosts

	headStart time.Duration // see race
	anew      time.Duration
}

// route is one host with one kind of transport security. sslmode=prefer makes
// two of a host.
type route struct {
	host string // name, address or directory of the socket
	port uint16
	tls  *tls.Config // nil: plain text
}

// ParseTarget reads a libpq URL or key=value string, with the environment
// (PG*), the service file and the password file filling in what it lacks, as
// libpq does. A key that neither libpq nor weir knows is a setting, which
// PostgreSQL accepts or refuses at login by its name. The error never
// contains the password.
func ParseTarget(dsn string) (*Target, error) {
	config, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("the upstream URL cannot be used: %s", parseReason(err))
	}
	config.MaxProtocolMessageBodyLen = maxLoginMessage
	t := &Target{dsn: dsn, config: config, dialer: newDialer(), routes: routes(config), hosts: &Hosts{}, headStart: headStart, anew: anew}
	for _, r := range t.routes {
		verifyAsLibpq(r.tls, r.host)
	}
	config.Fallbacks = nil
	if err := t.takeKeys(); err != nil {
		return nil, fmt.Errorf("the upstream URL cannot be used: %w", err)
	}
	return t, nil
}

// parseReason is what follows the quoted URL in pgconn's error. The quote is
// left out because its masking of passwords is best effort in a URL that does
// not parse; so are the reasons that quote a piece of such a URL.
func parseReason(err error) string {
	text := err.Error()
	reason := text[strings.LastIndex(text, "`: ")+len("`: "):]
	switch {
	case strings.HasPrefix(reason, "failed to parse as URL"):
		return "it is not a valid URL; special characters in the password (such as @ / ? # %) must be percent-encoded"
	case strings.HasPrefix(reason, "failed to parse as keyword/value"):
		return "it is neither a postgres:// URL nor a list of key=value pairs"
	}
	return reason
}

// routes lists the ways to PostgreSQL in the order in which to try them.
func routes(config *pgconn.Config) []route {
	list := []route{{config.Host, config.Port, config.TLSConfig}}
	for _, f := range config.Fallbacks {
		list = append(list, route{f.Host, f.Port, f.TLSConfig})
	}
	return list
}

// address is host:port, or the path of the socket.
func (r route) address() string {
	_, address := pgconn.NetworkAddress(r.host, r.port)
	return address
}

// With returns the same server for another database and role. An empty
// database or user keeps the target's own; so does an empty password when the
// role stays the same.
func (t *Target) With(database, user, password string) *Target {
	other := *t
	other.config = t.config.Copy()
	if database != "" {
		other.config.Database = database
	}
	if password != "" || (user != "" && user != t.config.User) {
		other.config.Password = password
	}
	if user != "" {
		other.config.User = user
	}
	return &other
}

// Same reports whether a connection to other is as good as one to t: the same
// servers, database, role, password and start-up parameters. The contents of
// certificates and keys do not count, a connection outlives them.
func (t *Target) Same(other *Target) bool {
	a, b := t.config, other.config
	return a.Database == b.Database && a.User == b.User && a.Password == b.Password &&
		t.dsn == other.dsn && maps.Equal(a.RuntimeParams, b.RuntimeParams) &&
		slices.Equal(t.addresses(), other.addresses())
}

// Database is the database's name. Where the URL names none it is the role's,
// as PostgreSQL assumes.
func (t *Target) Database() string {
	if t.config.Database == "" {
		return t.config.User
	}
	return t.config.Database
}

// User is the role to log in as.
func (t *Target) User() string { return t.config.User }

// Password is empty where the URL, the environment and the password file give
// none.
func (t *Target) Password() string { return t.config.Password }

// Address is host:port or the path of the socket, for messages. Several hosts
// are separated by commas.
func (t *Target) Address() string { return strings.Join(t.addresses(), ", ") }

// addresses lists each host once.
func (t *Target) addresses() []string {
	var list []string
	for _, r := range t.routes {
		if a := r.address(); !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}
