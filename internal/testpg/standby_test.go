// SPDX-License-Identifier: Apache-2.0

package testpg_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

func TestAStandbyHasWhatWasAcknowledgedAndTakesOver(t *testing.T) {
	t.Parallel()
	a := testpg.New(t, pgserver.Options{})
	b := testpg.Standby(t, a)
	testpg.Exec(t, a.URL(), "create table kept (n int); insert into kept values (1)")
	if got := testpg.Exec(t, b.URL(), "select pg_is_in_recovery()")[0][0]; got != "t" {
		t.Errorf("in recovery: %s, want t", got)
	}

	if err := a.Stop(pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	if err := b.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	testpg.Exec(t, b.URL(), "insert into kept values (2)")

	if err := a.Follow(b); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := testpg.Exec(t, a.URL(), "select pg_is_in_recovery()")[0][0]; got != "t" {
		t.Errorf("the old primary is in recovery: %s, want t", got)
	}
	if got := testpg.Exec(t, b.URL(), "select count(*) from kept")[0][0]; got != "2" {
		t.Errorf("rows = %s, want 2", got)
	}
}
