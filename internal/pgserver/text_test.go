// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
)

func TestEncodeQuotesAsPostgreSQLReads(t *testing.T) {
	t.Parallel()
	got := pgserver.Encode(map[string]string{"b": `it's`, "a": `\d`})
	if want := "a = '\\\\d'\nb = 'it''s'\n"; got != want {
		t.Errorf("encode = %q, want %q", got, want)
	}
}

func TestLockFileSaysReady(t *testing.T) {
	t.Parallel()
	const head = "71\n/data\n1700000000\n5432\n/socket\n127.0.0.1\n  123   456\n"
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"ready", head + "ready   \n", true},
		{"replica", head + "standby \n", true},
		{"starting", head + "starting\n", false},
		{"half written", head[:20], false},
		{"no status yet", head, false},
		{"another postmaster's", strings.Replace(head, "71", "72", 1) + "ready   \n", false},
		{"empty", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "postmaster.pid", tt.text)
			if got := pgserver.Accepts(71, dir); got != tt.want {
				t.Errorf("accepts = %v, want %v", got, tt.want)
			}
		})
	}
	if pgserver.Accepts(71, t.TempDir()) {
		t.Error("accepts without a lock file")
	}
}

func TestTailIsTheLastFiveLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5<<10) + "\n"
	for text, want := range map[string]string{
		"":                       "",
		"one\n":                  "one",
		"1\n2\n3\n4\n5\n6\n":     "2\n3\n4\n5\n6",
		long + "last\n":          strings.Repeat("x", 2<<10-len("\nlast\n")) + "\nlast",
		"1\n" + long + "\n\n2\n": strings.Repeat("x", 2<<10-len("\n\n\n2\n")) + "\n\n\n2",
	} {
		if got := pgserver.Tail([]byte(text)); got != want {
			t.Errorf("tail(%.20q…) = %.20q…, want %.20q…", text, got, want)
		}
	}
}
