// SPDX-License-Identifier: Apache-2.0

package auth

// Verifier derives the keys of a password under a salt, as in ParseVerifier's result.
func Verifier(password, salt string) (Secret, error) { return derive(password, salt, iterations) }

// Salt is a secret's salt, so that a test can derive the same keys.
func (s Secret) Salt() string { return s.keys.Salt }

// Keys are a secret's stored and server key.
func (s Secret) Keys() (stored, server string) {
	return string(s.keys.StoredKey), string(s.keys.ServerKey)
}
