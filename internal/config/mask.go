// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

const hidden = "********"

func stars(text string) string {
	if text == "" {
		return ""
	}
	return hidden
}

// maskURL hides the passwords of a connection string. Where it is not certain
// what is a password, it shows nothing but the scheme.
func maskURL(text string) string {
	d, err := parseDSN(text)
	if err != nil {
		return maskAll(text)
	}
	d.head = maskHead(d.head)
	for i, p := range d.params {
		if d.isURL && strings.Contains(p.raw, "@") {
			return maskAll(text) // a password with a question mark that was not escaped
		}
		if strings.Contains(p.key, "password") {
			d.params[i] = plain(p.key, hidden)
		}
	}
	return d.String()
}

func maskAll(text string) string {
	for _, scheme := range schemes {
		if strings.HasPrefix(text, scheme) {
			return scheme + hidden
		}
	}
	return stars(text)
}

// maskHead hides what is between the first colon after the scheme and the last
// at sign: a password that should have been escaped may hold either.
func maskHead(head string) string {
	scheme, rest, _ := strings.Cut(head, "://")
	end := strings.LastIndexByte(rest, '@')
	if end < 0 {
		return head
	}
	user, _, found := strings.Cut(rest[:end], ":")
	if !found {
		return head
	}
	return scheme + "://" + user + ":" + hidden + rest[end:]
}
