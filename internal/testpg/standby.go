// SPDX-License-Identifier: Apache-2.0

package testpg

import (
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
)

// Standby starts a standby of primary for this test alone, which may promote it
// (Promote), stop it, and make the old primary follow it (Follow). From its
// return on, primary acknowledges no commit that the standby has not written:
// what is acknowledged survives a failover. It is closed when the test ends,
// after which commits on primary wait for ever, so databases and roles, which
// are dropped at the end, are to be made after it.
func Standby(t testing.TB, primary *pgserver.Server) *pgserver.Server {
	t.Helper()
	Program(t, "pg_basebackup") // makes it
	s := New(t, pgserver.Options{Primary: primary})
	// In two steps: ALTER SYSTEM runs in no transaction, so not beside others.
	Exec(t, primary.URL(), "alter system set synchronous_standby_names = '*'")
	Exec(t, primary.URL(), "select pg_reload_conf()")
	deadline := time.Now().Add(patience)
	for Exec(t, primary.URL(), "select count(*) from pg_stat_replication where sync_state = 'sync'")[0][0] != "1" {
		if time.Now().After(deadline) {
			t.Fatal("the standby does not follow its primary")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return s
}
