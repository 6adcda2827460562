// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/weir-pg/weir/examples/internal/try"
)

func TestItRuns(t *testing.T) {
	t.Parallel()
	if got, want := try.Output(t, run), "anna has 40 orders of 1560 cents\n"; got != want {
		t.Errorf("it printed %q, want %q", got, want)
	}
}
