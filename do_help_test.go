// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weir-pg/weir/internal/faultproxy"
	"github.com/weir-pg/weir/internal/testpg"
)

// library is what the functions for programs are tried on.
type library struct {
	*pgxpool.Pool
	url   string
	admin string            // the URL of PostgreSQL, past everything
	proxy *faultproxy.Proxy // before PostgreSQL
	g     *gateway          // nil directly
}

// libraries runs a test on PostgreSQL directly and through weir, in a database
// that has a table rows (n int).
func libraries(t *testing.T, test func(t *testing.T, l *library), change ...func(*pgxpool.Config)) {
	t.Helper()
	for _, through := range []bool{false, true} {
		name := "directly"
		if through {
			name = "through weir"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &library{admin: database(t)}
			testpg.Exec(t, l.admin, "create table rows (n int)")
			l.proxy, l.url = distant(t, l.admin, 0)
			if through {
				l.g = open(t, l.url, poolOf(10))
				l.url = l.g.url()
			}
			l.Pool = pool(t, l.url, change...)
			test(t, l)
		})
	}
}

// pool opens a pgxpool, which is closed at the end of the test.
func pool(t testing.TB, url string, change ...func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 10
	for _, c := range change {
		c(cfg)
	}
	p, err := pgxpool.NewWithConfig(bounded(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// connsOf bounds a pgxpool.
func connsOf(n int32) func(*pgxpool.Config) {
	return func(c *pgxpool.Config) { c.MaxConns = n }
}

// rows is how many rows the table has.
func (l *library) rows(t testing.TB) string {
	t.Helper()
	return testpg.Exec(t, l.admin, "select count(*) from rows")[0][0]
}

// addRow adds a row.
func addRow(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "insert into rows values (1)")
	return err
}

// roleURL is the URL of l for another role, that of a URL.
func (l *library) roleURL(t testing.TB, role string) string {
	t.Helper()
	as, err := url.Parse(role)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = as.User
	return u.String()
}
