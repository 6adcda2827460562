// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
)

// Users knows who may log in to what. It is asked once per login, from many
// goroutines.
type Users interface {
	// Lookup returns what a user of a database proves itself with, and false
	// for a user that may not log in there.
	Lookup(database, user string) (Secret, bool)
}

// Secret is what a user proves itself with. The zero Secret lets nobody in.
type Secret struct {
	trust bool
	keys  scram.StoredCredentials
}

// Trust is the Secret of a user that need not prove anything.
func Trust() Secret { return Secret{trust: true} }

// Sizes and costs of keys that are derived here: PostgreSQL's
// SCRAM_DEFAULT_SALT_LEN, SCRAM_SHA_256_DEFAULT_ITERATIONS and
// SCRAM_SHA_256_KEY_LEN.
const (
	saltSize   = 16 // bytes
	iterations = 4096
	keySize    = 32 // bytes
)

// maxIterations bounds what a verifier can make each client compute; it is some
// seconds' work.
const maxIterations = 10_000_000

// NewPassword makes the Secret of a password. The keys are derived here and
// once, under a salt of their own: about a millisecond. An empty password lets
// nobody in, as in PostgreSQL.
func NewPassword(password string) (Secret, error) {
	if password == "" {
		return Secret{}, nil
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	return derive(password, string(salt), iterations)
}

// derive computes a password's keys.
func derive(password, salt string, iterations int) (Secret, error) {
	client, err := scram.SHA256.NewClientUnprepped("", SASLprep(password), "")
	if err != nil {
		return Secret{}, fmt.Errorf("cannot derive keys from a password: %w", err)
	}
	keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: salt, Iters: iterations})
	if err != nil {
		return Secret{}, fmt.Errorf("cannot derive keys from a password: %w", err)
	}
	return Secret{keys: keys}, nil
}

// SASLprep prepares a password for SCRAM (RFC 4013) as PostgreSQL's pg_saslprep
// does: one that it forbids, or that nothing would be left of, counts as it is.
func SASLprep(password string) string {
	// RFC 3454 lists U+200B both as a space and as mapped to nothing;
	// PostgreSQL takes it for a space, the library for nothing.
	prepared, err := stringprep.SASLprep.Prepare(strings.ReplaceAll(password, "\u200b", " "))
	if err != nil || prepared == "" {
		return password
	}
	return prepared
}

var errVerifier = errors.New("a SCRAM verifier must have the form SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>")

// ParseVerifier makes the Secret of a verifier as pg_authid.rolpassword has it:
// SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, the last three in
// base64. The error does not repeat the verifier.
func ParseVerifier(verifier string) (Secret, error) {
	rest, ok := strings.CutPrefix(verifier, "SCRAM-SHA-256$")
	cost, keys, ok2 := strings.Cut(rest, "$")
	count, salt, ok3 := strings.Cut(cost, ":")
	stored, server, ok4 := strings.Cut(keys, ":")
	if !ok || !ok2 || !ok3 || !ok4 {
		return Secret{}, errVerifier
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxIterations {
		return Secret{}, fmt.Errorf("a SCRAM verifier must have between 1 and %d iterations", maxIterations)
	}
	s := Secret{keys: scram.StoredCredentials{KeyFactors: scram.KeyFactors{Iters: n}}}
	saltBytes, err := base64.StdEncoding.DecodeString(salt)
	if err != nil || len(saltBytes) == 0 || len(saltBytes) > maxSalt {
		return Secret{}, errVerifier
	}
	s.keys.Salt = string(saltBytes)
	if s.keys.StoredKey, err = decodeKey(stored); err != nil {
		return Secret{}, err
	}
	if s.keys.ServerKey, err = decodeKey(server); err != nil {
		return Secret{}, err
	}
	return s, nil
}

// maxSalt bounds a verifier's salt in bytes, so that a challenge stays small.
const maxSalt = 256

// decodeKey reads one of a verifier's two keys.
func decodeKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != keySize {
		return nil, errVerifier
	}
	return key, nil
}
