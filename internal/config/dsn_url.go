// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// encode is what to do about a URL that can be read in more than one way.
const encode = "percent-encode @ : / ? # in the password (%40 %3A %2F %3F %23)"

var (
	errSeveralAts = errors.New("the URL has more than one @, so that the password cannot be told from the host: " + encode)
	errLateAt     = errors.New("the URL has an @ after its first / or ?, so that the password cannot be told from the host: " + encode)
	errUser       = errors.New("the part before the @ is no user:password: " + encode)
	errHost       = errors.New("the URL names no host that could exist: " + encode)
	errPort       = errors.New("the URL has a port that is no number from 1 to 65535: " + encode)
	errDatabase   = errors.New("the URL has a & or = in the name of the database: parameters begin with a ?; in a name, & is %26 and = is %3D")
	errSpace      = errors.New("the URL has a space or a control character inside: write a space as %20")
	errPercent    = errors.New("the URL has a % that is not followed by two hexadecimal digits: in the password, % is %25")
	errNoValue    = errors.New("a parameter of the URL is not written key=value: in a password, ? is %3F, / is %2F and @ is %40, in a value = is %3D")
)

// parseURL takes a URL apart as libpq does (conninfo_uri_parse_options in
// fe-connect.c), which ends user and password at the first @ before any slash, and
// refuses those that whoever wrote them meant otherwise: libpq looks for a host
// called "horse@battery" where correct@horse@battery was the password.
func parseURL(scheme, rest string) (dsn, error) {
	if strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return dsn{}, errSpace
	}
	if decoded, err := url.PathUnescape(rest); err != nil || strings.Contains(decoded, "\x00") {
		return dsn{}, errPercent
	}
	d := dsn{head: scheme + rest, isURL: true}
	where := rest
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		who := rest[:i]
		where = rest[i+1:]
		user, password, _ := strings.Cut(who, ":")
		if strings.ContainsAny(user, "?#&=") {
			return dsn{}, errUser
		}
		d.user, d.password = unescape(user), unescape(password)
		if strings.Contains(where, "@") {
			return dsn{}, errSeveralAts
		}
	}
	if strings.Contains(where, "@") {
		return dsn{}, errLateAt
	}
	hosts, query, _ := strings.Cut(where, "?")
	hosts, database, _ := strings.Cut(hosts, "/")
	if strings.ContainsAny(database, "&=") {
		return dsn{}, errDatabase // what follows may be a password
	}
	if err := d.takeHosts(hosts); err != nil {
		return dsn{}, err
	}
	if err := d.takeQuery(query); err != nil {
		return dsn{}, err
	}
	if i := strings.IndexByte(where, '?'); i >= 0 {
		d.head = scheme + rest[:len(rest)-len(where)+i]
	}
	return d, d.check()
}

// unescape is for what parseURL has found to be well-formed.
func unescape(text string) string {
	clear, _ := url.PathUnescape(text)
	return clear
}

// takeHosts reads host, host:port and [IPv6]:port, separated by commas.
func (d *dsn) takeHosts(list string) error {
	for one := range strings.SplitSeq(list, ",") {
		var host, port string
		if strings.HasPrefix(one, "[") {
			inner, after, closed := strings.Cut(one[1:], "]")
			if _, err := netip.ParseAddr(unescape(inner)); !closed || err != nil || after != "" && after[0] != ':' {
				return errHost
			}
			host, port = inner, strings.TrimPrefix(after, ":")
		} else {
			host, port, _ = strings.Cut(one, ":")
		}
		if !isPort(unescape(port)) {
			return errPort
		}
		if host != "" {
			d.hosts = append(d.hosts, strings.Split(unescape(host), ",")...)
		}
	}
	return nil
}

// takeQuery reads the parameters.
func (d *dsn) takeQuery(query string) error {
	for raw := range strings.SplitSeq(query, "&") {
		if raw == "" {
			continue
		}
		key, value, found := strings.Cut(raw, "=")
		if !found || strings.Contains(value, "=") || !keyword.MatchString(unescape(key)) {
			return errNoValue
		}
		d.params = append(d.params, param{key: unescape(key), value: unescape(value), raw: raw})
	}
	return nil
}

// isPort reports whether text is the number of a port, or empty for the default.
func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0
}

// isHost reports whether text can be where a server is: a name or an address, or
// the folder of its Unix socket. It is what the resolver takes (net,
// isDomainName), which has room for everything that DNS has.
func isHost(text string) bool {
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "@") {
		return true
	}
	if _, err := netip.ParseAddr(text); err == nil || net.ParseIP(text) != nil {
		return true
	}
	return text != "" && len(text) <= 255 && !strings.ContainsFunc(text, func(r rune) bool {
		letter := 'a' <= r|0x20 && r|0x20 <= 'z'
		return !letter && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}
