// SPDX-License-Identifier: Apache-2.0

package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"

	"github.com/xdg-go/scram"
)

// mockKey is this process's secret behind mock keys.
var mockKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key) // never fails
	return key
})

// mock is the keys that an unknown user is tested against, so that its login
// goes through the same steps as a real one before it fails. The salt is the
// same whenever a name is tried, as a real one's is, and nobody can know a
// password for the keys: they are not derived from any.
func mock(user string) scram.StoredCredentials {
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(mockBytes("salt", user)[:saltSize]), Iters: iterations},
		StoredKey:  mockBytes("stored", user),
		ServerKey:  mockBytes("server", user),
	}
}

func mockBytes(purpose, user string) []byte {
	mac := hmac.New(sha256.New, mockKey())
	mac.Write([]byte(purpose + "\x00" + user))
	return mac.Sum(nil)
}
