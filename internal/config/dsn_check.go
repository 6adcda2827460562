// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// keyword is what a parameter's name can be: one of libpq's, or a setting's, with
// a dot in that of an extension.
var keyword = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)*$`)

// libpqKeys is libpq's parameters (documentation, 34.1.2), and pgconn's names for
// some of them. All others are settings of PostgreSQL's.
var libpqKeys = strings.Fields(`application_name channel_binding client_encoding connect_timeout database dbname
	fallback_application_name gssdelegation gssencmode gsslib host hostaddr keepalives keepalives_count
	keepalives_idle keepalives_interval krbspn krbsrvname load_balance_hosts max_protocol_version
	min_protocol_version oauth_client_id oauth_client_secret oauth_issuer oauth_scope options passfile password
	port replication require_auth requirepeer scram_client_key scram_server_key service servicefile ssl
	ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey
	sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout
	timezone user`)

// isSecret reports whether the value of a parameter is for nobody to see. A
// setting of somebody's own may hold a secret too; its name says so.
func isSecret(key string) bool {
	key = strings.ToLower(key)
	for _, part := range []string{"password", "passwd", "pwd", "secret", "token", "credential", "scram_", "apikey", "api_key"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return false
}

// errAfterPassword says that a password that is not quoted may end later than it
// seems: in password=a b=c, b=c may be a part of it, and PostgreSQL's error would
// show that there is no setting b.
var errAfterPassword = errors.New("a parameter that is not libpq's follows the password, so that it may be a part of it: " +
	"put the password last; in key=value pairs quote it, password='…', in a URL percent-encode it")

// check looks at what the parameters mean.
func (d *dsn) check() error {
	hosts := d.hosts
	open := false // the last parameter of libpq's was a password whose end is not certain
	for _, p := range d.params {
		if open && !isKnown(p.key) {
			return errAfterPassword
		}
		if stays(p.key) {
			open = isSecret(p.key) && !p.quoted
		}
		switch values := strings.Split(p.value, ","); p.key {
		case "host", "hostaddr":
			hosts = slices.Concat(hosts, values)
		case "port":
			if !areAll(values, isPort) {
				return errPort
			}
		}
	}
	if !areAll(hosts, func(h string) bool { return h == "" || isHost(h) }) {
		return errHost
	}
	return nil
}

// isKnown reports whether a parameter is libpq's, pgconn's or one that weir reads.
func isKnown(key string) bool {
	_, other := foreign[key]
	return other || key == "sslaccept" || slices.Contains(libpqKeys, key)
}

// stays reports whether CleanURL leaves a parameter of libpq's where it is, so that
// what it returns is accepted like what it was given.
func stays(key string) bool {
	_, dropped := foreign[key]
	return !dropped && slices.Contains(libpqKeys, key) && (!strings.HasPrefix(key, "ssl") || key == "sslpassword")
}

func areAll(list []string, is func(string) bool) bool {
	return !slices.ContainsFunc(list, func(one string) bool { return !is(one) })
}

// effective returns what a parameter comes to, where head is what the URL's head
// says of it.
func (d *dsn) effective(head, key string) string {
	for _, p := range d.params {
		if p.key == key {
			head = p.value
		}
	}
	return head
}

// agrees reports whether pgconn, which weir connects with, has read the string as
// weir has, so that what is shown of it is what weir takes it to be. What the string
// leaves out comes from the environment, where a host has to be one too.
func (d *dsn) agrees(read *pgconn.Config) error {
	own := strings.Split(d.effective(strings.Join(d.hosts, ","), "host"), ",")
	for _, h := range hosts(read) {
		if !isHost(h.Host) || !slices.Contains(own, "") && !slices.Contains(own, h.Host) {
			return errHost
		}
	}
	differ := func(own, theirs string) bool { return own != "" && own != theirs }
	if differ(d.effective(d.user, "user"), read.User) || differ(d.effective(d.password, "password"), read.Password) {
		return fmt.Errorf("user and password can be read in more than one way: %s", encode)
	}
	return nil
}

// quotes reports whether text contains the password, whole or as it was written.
func (d *dsn) quotes(text string) bool {
	secrets := []string{d.password}
	for _, p := range d.params {
		if isSecret(p.key) {
			_, raw, _ := strings.Cut(p.raw, "=")
			secrets = append(secrets, p.value, strings.TrimSpace(raw))
		}
	}
	return slices.ContainsFunc(secrets, func(s string) bool { return s != "" && strings.Contains(text, s) })
}
