// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

const (
	crowded = 200 // clients at once
	times   = 4   // transactions of each
)

// crowd is many clients of one kind. run connects them all before any of them
// begins; each adds times to its counter, one in a transaction, and checks what
// it reads.
type crowd struct {
	name string
	run  func(ctx context.Context, t *testing.T, url string) error
}

func crowds() []crowd {
	all := []crowd{
		{"psql", psqlCrowd},
		{"node-postgres", func(ctx context.Context, t *testing.T, url string) error {
			return nodeCrowd(ctx, t, url, crowded, times)
		}},
	}
	for _, mode := range []string{"simple", "extended", "prepared"} {
		all = append(all, crowd{"pgbench " + mode, func(ctx context.Context, t *testing.T, url string) error {
			return pgbenchCrowd(ctx, t, url, crowded, "-M", mode)
		}})
	}
	for _, mode := range pgxModes {
		all = append(all, crowd{"pgx " + mode.String(), func(ctx context.Context, _ *testing.T, url string) error { return pgxCrowd(ctx, url, mode) }})
	}
	for driver, name := range map[string]string{"postgres": "lib/pq", "pgx": "pgx's stdlib"} {
		all = append(all, crowd{name, func(ctx context.Context, _ *testing.T, url string) error { return sqlCrowd(ctx, driver, url) }})
	}
	return all
}

// each runs every crowd through weir with these settings, before a database of
// its own whose role has these attributes, and checks that never more than most
// backends served it.
func each(t *testing.T, attributes string, most int, settings ...string) {
	for _, c := range crowds() {
		t.Run(strings.NewReplacer(" ", "_", "/", "_").Replace(c.name), func(t *testing.T) {
			t.Parallel()
			g := fresh(t, attributes)
			g.counters(t, crowded)
			w := open(t, g.url, settings...)
			seen := g.watch(t)
			if err := c.run(within(t), t, w.url); err != nil {
				t.Error(err)
			}
			if n := seen(); n > most || n < 2 {
				t.Errorf("at most %d backends at one time, want 2 to %d", n, most)
			}
			if got, want := g.counted(t), crowded*times; got != want {
				t.Errorf("the counters' sum = %d, want %d", got, want)
			}
		})
	}
}

func TestManyClientsShareAPoolOfFive(t *testing.T) {
	t.Parallel()
	each(t, "", 5, "DATABASE_POOL_MAX=5")
}

// The pool asks for more than the role may have, and no client hears of it.
func TestManyClientsShareARoleWithFewConnections(t *testing.T) {
	t.Parallel()
	each(t, "connection limit 5", 5, "DATABASE_POOL_MAX=20")
}

// counting is a pgbench script: the client's own counter, and no other's. All
// of it is one transaction, because pgbench before 17 stops a whole thread to
// prepare a statement: with statements after the commit, and more clients than
// upstreams, those that wait there keep others from ending their transactions.
const counting = `begin;
select n from counters where id = :client_id;
update counters set n = n + 1 where id = :client_id;
select 1 / (:client_id::int = me)::int from (select :client_id::int as me) as mine;
commit;
`

func pgbenchCrowd(ctx context.Context, t *testing.T, url string, clients int, args ...string) error {
	file := t.TempDir() + "/counting.sql"
	if err := writeFile(file, counting); err != nil {
		return err
	}
	return bench(ctx, testpg.Program(t, "pgbench"), url, clients, times, append(args, "-f", file)...)
}

func pgxCrowd(ctx context.Context, url string, mode pgx.QueryExecMode) error {
	var connected sync.WaitGroup
	connected.Add(crowded)
	return together(crowded, func(i int) error {
		conn, err := connectPgx(ctx, url, mode)
		connected.Done()
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		connected.Wait()
		for n := range times {
			if err := pgxTurn(ctx, conn, i, n); err != nil {
				return fmt.Errorf("client %d: %w", i, err)
			}
		}
		return nil
	})
}

func pgxTurn(ctx context.Context, conn *pgx.Conn, i, turn int) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, "select n from counters where id = $1", i).Scan(&n); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "update counters set n = $1 where id = $2", n+1, i)
		return err
	})
	if err != nil {
		return err
	}
	var me, now int
	// Each client's statement is another, and some clients share theirs.
	err = conn.QueryRow(ctx, fmt.Sprintf("select %d, $1::int", i/2), turn).Scan(&me, &now)
	if err == nil && (me != i/2 || now != turn) {
		err = fmt.Errorf("read %d, %d, want %d, %d", me, now, i/2, turn)
	}
	return err
}

func sqlCrowd(ctx context.Context, driver, url string) error {
	db, err := sql.Open(driver, url)
	if err != nil {
		return err
	}
	defer db.Close()
	var connected sync.WaitGroup
	connected.Add(crowded)
	return together(crowded, func(i int) error {
		conn, err := db.Conn(ctx)
		connected.Done()
		if err != nil {
			return err
		}
		defer conn.Close()
		connected.Wait()
		return sqlTurns(ctx, conn, i)
	})
}

func sqlTurns(ctx context.Context, conn *sql.Conn, i int) error {
	read, err := conn.PrepareContext(ctx, fmt.Sprintf("select n, %d from counters where id = $1", i))
	if err != nil {
		return err
	}
	defer read.Close()
	for range times {
		tx, err := conn.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		var n, me int
		if err := tx.StmtContext(ctx, read).QueryRowContext(ctx, i).Scan(&n, &me); err != nil {
			return err
		}
		if me != i {
			return fmt.Errorf("client %d got the rows of client %d", i, me)
		}
		if _, err := tx.ExecContext(ctx, "update counters set n = $1 where id = $2", n+1, i); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}
