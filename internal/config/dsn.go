// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"strings"
)

// dsn is a connection string taken apart. What stays of it is byte for byte as it
// was. Whatever weir reads of a connection string, and whatever it shows of one,
// comes from here: a string that cannot be taken apart with certainty is refused,
// and nothing of it is shown, because any piece may be a piece of the password.
type dsn struct {
	head   string  // of a URL: everything before its parameters
	params []param // of a key=value string: everything
	isURL  bool

	// In clear, of a URL's head. Parameters of the same meaning take precedence.
	user, password string
	hosts          []string
}

// param is one key with its value.
type param struct {
	key    string // in clear
	value  string // in clear
	raw    string // as written
	quoted bool   // the value has its end beyond doubt
}

// schemes are the two that libpq knows (libpq documentation, 34.1.1.2).
var schemes = []string{"postgres://", "postgresql://"}

// parseDSN takes a libpq URL or key=value string apart. White space around it
// is left out: a URL that was read from a file ends in a line feed.
func parseDSN(text string) (dsn, error) {
	text = strings.TrimLeft(text, spaces)
	for _, scheme := range schemes {
		if rest, found := strings.CutPrefix(text, scheme); found {
			return parseURL(scheme, strings.TrimRight(rest, spaces))
		}
	}
	if scheme, _, found := strings.Cut(text, "://"); found && !strings.ContainsAny(scheme, "= '") {
		return dsn{}, schemeError(scheme)
	}
	return parsePairs(text)
}

func schemeError(scheme string) error {
	switch {
	case strings.HasPrefix(scheme, "prisma"):
		return errors.New("this is the URL of Prisma Accelerate, which is no PostgreSQL server: give the direct URL, postgres://…")
	case strings.HasPrefix(scheme, "jdbc:"):
		return errors.New("this is a JDBC URL: give it without jdbc:, with user and password as in postgres://user:password@host:5432/database")
	case strings.HasPrefix(scheme, "postgres"):
		return errors.New("the part before :// names a driver: give the URL as postgres://…")
	}
	return errors.New("expected a URL that begins with postgres:// or postgresql://, or key=value pairs such as host=db user=app")
}

// parsePairs reads key = value and key = 'value', with backslash as escape, as
// libpq's conninfo_parse does (fe-connect.c).
func parsePairs(text string) (dsn, error) {
	var d dsn
	for rest := strings.TrimLeft(text, spaces); rest != ""; rest = strings.TrimLeft(rest, spaces) {
		key, after, found := strings.Cut(rest, "=")
		key = strings.TrimRight(key, spaces)
		if !found || !keyword.MatchString(key) {
			return dsn{}, errors.New("expected a URL that begins with postgres:// or key=value pairs such as host=db user=app; a value with spaces is quoted, password='…'")
		}
		value, left, ok := cutValue(strings.TrimLeft(after, spaces))
		if !ok {
			return dsn{}, errors.New("the quote of a value is not closed")
		}
		if left != "" && strings.IndexByte(spaces, left[0]) < 0 {
			return dsn{}, errors.New(`a quote ends in the middle of a value: inside quotes, ' is \' and \ is \\`)
		}
		d.params = append(d.params, param{
			key: key, value: value, raw: strings.TrimRight(rest[:len(rest)-len(left)], spaces),
			quoted: strings.HasPrefix(strings.TrimLeft(after, spaces), "'"),
		})
		rest = left
	}
	return d, d.check()
}

const spaces = " \t\n\v\f\r"

// cutValue returns the value at the start of text without quotes and
// backslashes, and what follows it.
func cutValue(text string) (value, rest string, ok bool) {
	quoted := strings.HasPrefix(text, "'")
	var b strings.Builder
	i := 0
	if quoted {
		i = 1
	}
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\'':
			return b.String(), text[i+1:], true
		case !quoted && strings.IndexByte(spaces, c) >= 0:
			return b.String(), text[i:], true
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c != '\\':
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}

// String puts the connection string together again.
func (d dsn) String() string {
	raws := make([]string, len(d.params))
	for i, p := range d.params {
		raws[i] = p.raw
	}
	switch {
	case !d.isURL:
		return strings.Join(raws, " ")
	case len(raws) == 0:
		return d.head
	}
	return d.head + "?" + strings.Join(raws, "&")
}

// get returns the value of the last parameter of that name, which counts.
func (d dsn) get(key string) string {
	value := ""
	for _, p := range d.params {
		if p.key == key {
			value = p.value
		}
	}
	return value
}

// plain returns a parameter whose value needs no escaping.
func plain(key, value string) param { return param{key: key, value: value, raw: key + "=" + value} }

// rename returns p under another name, with its value as it was written.
func (p param) rename(key string) param {
	_, value, _ := strings.Cut(p.raw, "=")
	return param{key: key, value: p.value, raw: key + "=" + value, quoted: p.quoted}
}
