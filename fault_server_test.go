// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// nearby is how far away PostgreSQL is: all upstreams are busy all the time.
const nearby = 2 * time.Millisecond

// TestRestartUnderLoad restarts PostgreSQL twice, with goodbyes and as a crash.
func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgserver.Mode{pgserver.Fast, pgserver.Immediate} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			server := testpg.New(t, pgserver.Options{})
			_, through := distant(t, server.URL(), nearby)
			c := hire(t, open(t, through, poolOf(10)), server.URL())
			for range 2 {
				restart(t, server, mode)
				c.served(t, 2)
			}
			c.dismiss(t, server.URL())
		})
	}
}

// TestTerminatedEachSecondUnderLoad has every backend of the pool terminated,
// again and again. A read is asked again once, so each has to be over by then.
func TestTerminatedEachSecondUnderLoad(t *testing.T) {
	t.Parallel()
	url := database(t)
	_, through := distant(t, url, nearby)
	c := hire(t, open(t, through, poolOf(10)), url)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for range 4 {
		<-second.C
		c.served(t, 2)
		testpg.Exec(t, url, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	}
	c.dismiss(t, url)
}
