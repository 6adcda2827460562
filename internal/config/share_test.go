// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"testing"
)

func TestASharesLeastIsOneAndItsMostTheWhole(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		share       string
		whole, want int
	}{
		{"50%", 10, 5},
		{"50%", 3, 2},
		{"50%", 2, 1},
		{"50%", 1, 1},
		{"1%", 10, 1},
		{"100%", 7, 7},
		{"3", 10, 3},
		{"3", 2, 2},
		{"1", 10, 1},
		{"50%", 0, 1},
	} {
		cfg := load(t, "upstream = 'postgres://u:p@h/d'\n[pool]\nmax_pinned = '"+c.share+"'\n")
		if got := cfg.Pool.MaxPinned.Of(c.whole); got != c.want {
			t.Errorf("%s of %d is %d, want %d", c.share, c.whole, got, c.want)
		}
		if got := cfg.Pool.MaxPinned.String(); got != c.share {
			t.Errorf("%s is shown as %s", c.share, got)
		}
	}
}
