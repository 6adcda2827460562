// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/config"
)

func TestTheExampleLoads(t *testing.T) {
	t.Parallel()
	c, err := config.Load(config.Source{
		File:    "../../deploy/weir.toml",
		Environ: []string{"DATABASE_URL=postgres://app:secret@db.example.com/app"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.PoolFor("app_session", "app").Mode; got != config.Session {
		t.Errorf("app_session has mode %s, want %s", got, config.Session)
	}
	if len(c.Notices) > 0 {
		t.Errorf("got %q, want no notices", c.Notices)
	}
}
