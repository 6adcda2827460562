// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/md5"
	"encoding/hex"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
)

// hidden are settings that pg_settings does not show.
var hidden = []string{"role", "session_authorization"}

// seen are the settings of programs that clients of this process have had: PostgreSQL
// has no list of them. WEIR_TEST_PLACEHOLDERS adds more, between commas.
var seen = struct {
	sync.Mutex
	names map[string]bool // guarded by Mutex
}{names: listed("app.tenant,app.other,app.user_id,a.b," + os.Getenv("WEIR_TEST_PLACEHOLDERS"))}

func listed(text string) map[string]bool {
	names := make(map[string]bool)
	for name := range strings.SplitSeq(text, ",") {
		if name != "" {
			names[strings.ToLower(name)] = true
		}
	}
	return names
}

// Watch has the settings of these names asked for, too.
func Watch(names ...string) {
	seen.Lock()
	defer seen.Unlock()
	for _, name := range names {
		seen.names[strings.ToLower(name)] = true
	}
}

// placeholders returns all that has to be asked for by name: what weir believes to
// be set, what it ever believed, and what hides.
func placeholders(believed map[string]string) []string {
	all := make(map[string]bool)
	for _, name := range hidden {
		all[name] = true
	}
	seen.Lock()
	for name := range believed {
		if strings.Contains(name, ".") {
			seen.names[name] = true
		}
		if name != "" {
			all[name] = true
		}
	}
	maps.Copy(all, seen.names)
	seen.Unlock()
	return slices.Sorted(maps.Keys(all))
}

// brief is what question makes of a value that is long.
func brief(value string) string {
	if len(value) <= longest {
		return value
	}
	sum := md5.Sum([]byte(value)) //nolint:gosec // PostgreSQL's own md5() is what it is compared with
	return "md5 " + hex.EncodeToString(sum[:])
}

// isComparable reports whether a value means the same in every encoding.
func isComparable(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r >= 0x80 })
}
