// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// withoutSettings is an environment without the variables that would change
// what weir, libpq or a suite does.
func withoutSettings(environ []string) []string {
	var kept []string
	for _, kv := range environ {
		if !foreign(kv) {
			kept = append(kept, kv)
		}
	}
	return kept
}

func foreign(kv string) bool {
	for _, prefix := range []string{"PG", "WEIR_", "DATABASE_", "PQTEST_", "PQGO_", "GOFLAGS="} {
		if strings.HasPrefix(kv, prefix) {
			return true
		}
	}
	return false
}
