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

// maskURL hides the passwords of a connection string, and the values of what is not
// known to be harmless: a "pasword" is one too. Of a string that cannot be taken apart
// it shows nothing but the scheme.
func maskURL(text string) string {
	d, err := parseDSN(text)
	if err != nil {
		return maskAll(text)
	}
	d.head = maskHead(d.head)
	for i, p := range d.params {
		if isSecret(p.key) || !isKnown(p.key) {
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

// maskHead hides what is between the first colon after the scheme and the at sign,
// of which parseURL lets no more than one pass.
func maskHead(head string) string {
	scheme, rest, _ := strings.Cut(head, "://")
	who, where, found := strings.Cut(rest, "@")
	user, _, secret := strings.Cut(who, ":")
	if !found || !secret {
		return head
	}
	return scheme + "://" + user + ":" + hidden + "@" + where
}

// maskStray hides a connection string in the value of a setting that is no place
// for one.
func maskStray(text string) string {
	if strings.Contains(text, "://") || strings.Contains(text, "@") {
		return maskAll(text)
	}
	return text
}
