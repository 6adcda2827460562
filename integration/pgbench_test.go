// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// initialise makes pgbench's tables, in pgbench's own way.
func initialise(t testing.TB, url string) {
	t.Helper()
	if _, err := output(within(t), "", nil, testpg.Program(t, "pgbench"), "-i", "-q", url); err != nil {
		t.Fatal(err)
	}
}

// bench runs pgbench and demands that every transaction succeeded.
func bench(ctx context.Context, path, url string, clients, transactions int, args ...string) error {
	args = append([]string{"-n", "-c", strconv.Itoa(clients), "-j", "2", "-t", strconv.Itoa(transactions)}, append(args, url)...)
	out, err := output(ctx, "", nil, path, args...)
	if err != nil {
		return err
	}
	want := fmt.Sprintf("number of transactions actually processed: %d/%d\n", clients*transactions, clients*transactions)
	if !strings.Contains(out, want) {
		return fmt.Errorf("pgbench did not say %q:\n%s", want, out)
	}
	return nil
}

func TestPgbenchCountsTheSame(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=5")
	path := testpg.Program(t, "pgbench")
	initialise(t, w.url) // COPY, VACUUM and all, through weir
	for _, mode := range []string{"simple", "extended", "prepared"} {
		for _, url := range []string{g.url, w.url} {
			if err := bench(within(t), path, url, 20, 50, "-M", mode, "-S"); err != nil {
				t.Errorf("select-only, %s: %v", mode, err)
			}
			if err := bench(within(t), path, url, 20, 20, "-M", mode); err != nil {
				t.Errorf("TPC-B, %s: %v", mode, err)
			}
		}
	}
	checkBooks(t, g, 3*2*20*20)
}

// TestPgbenchOnAPoolOfOne has each client on a thread of its own: pgbench stops
// a whole thread to prepare a statement.
func TestPgbenchOnAPoolOfOne(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=1")
	initialise(t, w.url)
	strangers(t, w.url)
	for _, mode := range []string{"simple", "extended", "prepared"} {
		if err := bench(within(t), testpg.Program(t, "pgbench"), w.url, 6, 10, "-M", mode, "-j", "6"); err != nil {
			t.Errorf("TPC-B, %s: %v", mode, err)
		}
	}
	checkBooks(t, g, 3*6*10)
}

// checkBooks checks that TPC-B's sums agree after so many transactions.
func checkBooks(t testing.TB, g ground, transactions int) {
	t.Helper()
	row := testpg.Exec(t, g.url, `select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts),
		sum(delta) = (select sum(tbalance) from pgbench_tellers), sum(delta) = (select sum(bbalance) from pgbench_branches) from pgbench_history`)[0]
	if got, want := strings.Join(row, " "), strconv.Itoa(transactions)+" t t t"; got != want {
		t.Errorf("transactions and sums = %s, want %s", got, want)
	}
}
