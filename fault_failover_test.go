// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// TestFailoverUnderLoad ends the primary for good, promotes its standby, and
// has the clients go on there. Replication is synchronous, or nobody could
// promise that nothing acknowledged is lost.
func TestFailoverUnderLoad(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, primary *pgserver.Server){
		"stopped": func(t *testing.T, primary *pgserver.Server) {
			if err := primary.Stop(pgserver.Immediate); err != nil {
				t.Fatal(err)
			}
		},
		// The backends live on for what they run.
		"killed": func(t *testing.T, primary *pgserver.Server) {
			if err := syscall.Kill(primary.PID(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			primary := testpg.New(t, pgserver.Options{})
			standby := testpg.Standby(t, primary)
			c := hire(t, open(t, bothDistant(t, primary, standby), poolOf(10)), primary.URL())
			end(t, primary)
			if err := standby.Promote(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.dismiss(t, standby.URL())
		})
	}
}

// bothDistant is the URL of whichever of two servers is the primary, both nearby.
func bothDistant(t *testing.T, servers ...*pgserver.Server) string {
	t.Helper()
	dsn := hostsOf(t, "read-write", servers...)
	for _, s := range servers {
		_, through := distant(t, s.URL(), nearby)
		_, port, _ := strings.Cut(host(t, through), ":")
		dsn = strings.ReplaceAll(dsn, strconv.Itoa(s.Port()), port)
	}
	return dsn
}
