// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

// Fifty clients call a statement of their own s0, as those with Prisma's Rust
// engine do, and prepare and run it in groups of their own.
func TestNamesThatCollide(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=5")
	peers := make([]*peer, 50)
	for i := range peers {
		peers[i] = dial(t, w.url)
	}
	err := together(len(peers), func(i int) error {
		p, mine := peers[i], fmt.Sprintf("client %d", i)
		defer p.leave()
		if _, err := p.ask(parse("s0", "select '"+mine+"', $1::text"), describe("s0"), endGroup); err != nil {
			return err
		}
		for turn := range 40 {
			if err := p.expect(mine, turn); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// expect runs s0 and wants the client's own row.
func (p *peer) expect(mine string, turn int) error {
	lines, err := p.ask(join(once("s0", fmt.Sprint(turn)), endGroup)...)
	if err != nil {
		return err
	}
	want := fmt.Sprintf(`{"Type":"DataRow","Values":[{"text":"%s"},{"text":"%d"}]}`, mine, turn)
	if !slices.Contains(lines, want) {
		return fmt.Errorf("got %q, want %s", lines, want)
	}
	return nil
}

// All clients of pgx call the same statement by the same name, and weir
// prepares it once on each upstream.
func TestNamesThatCoincide(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=3")
	err := together(50, func(i int) error {
		ctx := t.Context()
		conn, err := connectPgx(ctx, w.url, pgx.QueryExecModeCacheStatement)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		for turn := range 20 {
			var a, b int
			if err := conn.QueryRow(ctx, "select $1::int, $2::int", i, turn).Scan(&a, &b); err != nil {
				return err
			}
			if a != i || b != turn {
				return fmt.Errorf("read %d, %d, want %d, %d", a, b, i, turn)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n := statementsHeld(t, w.url, 3, "select $1::int, $2::int"); n != 1 {
		t.Errorf("an upstream has the statement %d times", n)
	}
}

// statementsHeld asks each upstream of a pool of so many for its statements
// with this text, "" for all, and returns the most that one of them has.
func statementsHeld(t *testing.T, url string, pool int, text string) (most int) {
	t.Helper()
	held := make([]*peer, pool)
	for i := range held { // each keeps the upstream on which it asks
		held[i] = dial(t, url)
		if _, err := held[i].ask(query("begin")); err != nil {
			t.Fatal(err)
		}
		lines, err := held[i].ask(query("select count(*) from pg_prepared_statements where '" + text + "' in ('', statement)"))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if _, err := fmt.Sscanf(lines[1], `{"Type":"DataRow","Values":[{"text":"%d"}]}`, &n); err != nil {
			t.Fatalf("%q: %v", lines, err)
		}
		most = max(most, n)
	}
	for _, p := range held {
		if _, err := p.ask(query("commit")); err != nil {
			t.Fatal(err)
		}
		p.leave()
	}
	return most
}

// Clients with more statements than an upstream may hold: the least recently
// used make room, under load, and every client still gets its own.
func TestStatementsBeyondTheLimitMakeRoom(t *testing.T) {
	t.Parallel()
	const limit, each = 8, 30
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=3", fmt.Sprintf("WEIR_POOL_MAX_PREPARED_STATEMENTS=%d", limit))
	err := together(20, func(i int) error {
		ctx := t.Context()
		conn, err := connectPgx(ctx, w.url, pgx.QueryExecModeCacheStatement)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		random := rand.New(rand.NewPCG(uint64(i), 1))
		for range 150 {
			if err := runOneOf(ctx, conn, random.IntN(each), i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n := statementsHeld(t, w.url, 3, ""); n > limit {
		t.Errorf("an upstream has %d statements, want at most %d", n, limit)
	}
}

func runOneOf(ctx context.Context, conn *pgx.Conn, statement, client int) error {
	var a, b int
	err := conn.QueryRow(ctx, fmt.Sprintf("select %d, $1::int", statement), client).Scan(&a, &b)
	if err == nil && (a != statement || b != client) {
		err = fmt.Errorf("read %d, %d, want %d, %d", a, b, statement, client)
	}
	return err
}

// A batch that is longer than the limit of its upstream, in one group.
func TestABatchBeyondTheLimit(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=1", "WEIR_POOL_MAX_PREPARED_STATEMENTS=3")
	ctx := within(t)
	conn, err := connectPgx(ctx, w.url, pgx.QueryExecModeCacheStatement)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for range 3 {
		b := &pgx.Batch{}
		for i := range 100 {
			b.Queue(fmt.Sprintf("select %d, $1::int", i%40), i).QueryRow(func(row pgx.Row) error {
				var a, c int
				if err := row.Scan(&a, &c); err != nil {
					return err
				}
				if a != i%40 || c != i {
					t.Errorf("read %d, %d, want %d, %d", a, c, i%40, i)
				}
				return nil
			})
		}
		if err := conn.SendBatch(ctx, b).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := statementsHeld(t, w.url, 1, ""); n > 3 {
		t.Errorf("the upstream has %d statements, want at most 3", n)
	}
}

// A change of the schema under a statement that clients have prepared reaches
// each driver as it does without weir: as an error that it knows, once at
// most, and never as rows under the old columns.
func TestASchemaChangesUnderPreparedStatements(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2")
	testpg.Exec(t, g.url, "create table shapes (id int, name text); insert into shapes values (1, 'square')")
	ctx := within(t)
	var conns []*pgx.Conn
	for range 4 {
		conn, err := connectPgx(ctx, w.url, pgx.QueryExecModeCacheStatement)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		conns = append(conns, conn)
	}
	for _, change := range []string{"", "alter table shapes add sides int default 4", "alter table shapes alter id type text", "alter table shapes drop name"} {
		if change != "" {
			testpg.Exec(t, g.url, change)
		}
		want := testpg.Exec(t, g.url, "select * from shapes")[0]
		for i, conn := range conns {
			if got, err := shape(ctx, conn); err != nil || !slices.Equal(got, want) {
				t.Errorf("client %d after %q: got %q, %v, want %q", i, change, got, err, want)
			}
		}
	}
}

// shape reads the table's row, with one more try where the driver says that
// its own statement was out of date.
func shape(ctx context.Context, conn *pgx.Conn) (row []string, err error) {
	for range 2 {
		var values []any
		rows, _ := conn.Query(ctx, "select * from shapes") // CollectOneRow gives its error
		values, err = pgx.CollectOneRow(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
		if err == nil {
			for _, v := range values {
				row = append(row, fmt.Sprint(v))
			}
			return row, nil
		}
	}
	return nil, err
}
