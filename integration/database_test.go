// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

// ground is a database of a test's own.
type ground struct {
	admin string // the superuser's URL
	url   string // that of a role that may create tables there
	role  string
}

// fresh makes a database and a role with attributes as CREATE ROLE has them,
// "" for none.
func fresh(t testing.TB, attributes string) ground {
	t.Helper()
	return freshOn(t, testpg.URL(t), attributes)
}

// freshOn is fresh on the server of a superuser's URL.
func freshOn(t testing.TB, server, attributes string) ground {
	t.Helper()
	admin := testpg.Database(t, server)
	role := testpg.Role(t, admin, attributes)
	u, err := url.Parse(role)
	if err != nil {
		t.Fatal(err)
	}
	return ground{admin: admin, url: role, role: u.User.Username()}
}

// watch samples how many backends the role has, until the returned function is
// called, which gives the most that were seen at one time.
func (g ground) watch(t testing.TB) (most func() int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	conn, err := pgx.Connect(ctx, g.admin)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	var done sync.WaitGroup
	done.Go(func() {
		defer conn.Close(context.WithoutCancel(ctx))
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			n := 0
			err := conn.QueryRow(context.WithoutCancel(ctx), "select count(*) from pg_stat_activity where usename = $1", g.role).Scan(&n)
			if err != nil {
				t.Errorf("count backends: %v", err)
				return
			}
			seen = max(seen, n)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	t.Cleanup(func() { stop(); done.Wait() })
	return func() int {
		stop()
		done.Wait()
		return seen
	}
}

// backends returns how many backends the role has now.
func (g ground) backends(t testing.TB) int {
	t.Helper()
	rows := testpg.Exec(t, g.admin, "select count(*) from pg_stat_activity where usename = '"+g.role+"'")
	return number(t, rows[0][0])
}

// counters makes a table with one counter for each of n clients.
func (g ground) counters(t testing.TB, n int) {
	t.Helper()
	testpg.Exec(t, g.url, "create table counters (id int primary key, n int not null); "+
		"insert into counters select i, 0 from generate_series(0, "+strconv.Itoa(n-1)+") i")
}

// counted returns the sum of all counters.
func (g ground) counted(t testing.TB) int {
	t.Helper()
	return number(t, testpg.Exec(t, g.admin, "select sum(n) from counters")[0][0])
}

func number(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
