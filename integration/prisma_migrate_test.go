// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir/internal/testpg"
)

// changing is what varies between two runs of a command of Prisma's: addresses,
// names of databases and roles, times.
var changing = regexp.MustCompile(`127\.0\.0\.1:\d+|weir_(db|role)_[a-z0-9]+|\d{14}_|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+|in \d+(ms|s|\.\d+s)`)

// withSchema is a URL with `?schema=`, as Prisma reads it.
func withSchema(t testing.TB, text, schema string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("schema", schema)
	query.Set("connect_timeout", "60") // seconds; Prisma's default of 5 is short for a busy machine
	u.RawQuery = query.Encode()
	return u.String()
}

// builder is a ground whose role may make databases, as shadow databases are,
// and schemas.
func builder(t testing.TB) ground {
	t.Helper()
	g := fresh(t, "createdb")
	testpg.Exec(t, g.admin, `do $$ begin execute format('grant create on database %I to `+g.role+`', current_database()); end $$`)
	return g
}

// replace changes a file of the project.
func (p prisma) replace(t testing.TB, file, old, new string) {
	t.Helper()
	path := filepath.Join(p.dir, file)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, strings.Replace(string(text), old, new, 1)); err != nil {
		t.Fatal(err)
	}
}

// session is a day with Prisma's command line. It returns what all commands
// printed, and how they ended.
func (p prisma) session(ctx context.Context, t testing.TB, url string) string {
	t.Helper()
	var said strings.Builder
	run := func(want int, args ...string) {
		out, err := p.cli(ctx, url, args...)
		status := 0
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			status = exit.ExitCode()
		} else if err != nil {
			status = -1 // it did not run
		}
		if status != want {
			t.Errorf("prisma %v ended with status %d, want %d: %v", args, status, want, err)
		}
		fmt.Fprintf(&said, "$ prisma %s\n%s\nexit status %d\n", strings.Join(args, " "), changing.ReplaceAllString(out, "…"), status)
	}
	const schema = "prisma/schema.prisma"
	run(1, "migrate", "status")
	run(0, "migrate", "deploy")
	run(0, "migrate", "deploy")
	p.replace(t, schema, "title    String", "title    String\n  subtitle String?")
	run(0, "migrate", "diff", "--from-config-datasource", "--to-schema", schema)
	run(0, "migrate", "dev", "--name", "subtitle")
	run(0, "migrate", "status")
	p.replace(t, schema, "subtitle String?", "subtitle String @default(\"\")")
	run(0, "db", "push")
	run(0, "db", "pull", "--print")
	run(0, "migrate", "reset", "--force")
	p.migration(t, "20990101000000_fails", "create table half (n int); select 1/0;")
	run(1, "migrate", "deploy")
	run(1, "migrate", "status")
	run(0, "migrate", "resolve", "--rolled-back", "20990101000000_fails")
	run(1, "db", "execute", "--file", "prisma/migrations/20990101000000_fails/migration.sql")
	return said.String()
}

// tables describes what is in a database, migrations included.
func (g ground) tables(t testing.TB) string {
	t.Helper()
	rows := testpg.Exec(t, g.admin, `
		select format('%s.%s.%s %s %s', table_schema, table_name, column_name, udt_name, column_default)
		from information_schema.columns where table_schema not in ('pg_catalog', 'information_schema')
		order by 1`)
	var lines []string
	for _, row := range rows {
		lines = append(lines, row...)
	}
	return strings.Join(lines, "\n")
}

// No direct URL is needed: migrations, shadow databases and all, through weir.
func TestPrismaCommandsSeeTheSame(t *testing.T) {
	t.Parallel()
	direct, through := builder(t), builder(t)
	w := open(t, through.url, "DATABASE_POOL_MAX=5")
	var said [2]string
	t.Run("both", func(t *testing.T) {
		for i, url := range []string{direct.url, w.url} {
			t.Run([]string{"directly", "through weir"}[i], func(t *testing.T) {
				t.Parallel()
				said[i] = newPrisma(t).session(t.Context(), t, withSchema(t, url, "shop"))
			})
		}
	})
	sameLines(t, said[1], said[0])
	sameLines(t, through.tables(t), direct.tables(t))
	for line := range strings.Lines(said[0]) {
		if strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, "exit status ") {
			t.Log(strings.TrimSpace(line)) // both
		}
	}
}

// Three deployments start their builds at once, and each runs its migrations.
// Of a pool of two, one connection is for such clients, so the builds wait for
// that; of a pool of five all get one, and wait for the lock.
func TestPrismaThreeBuildsTakeTurns(t *testing.T) {
	t.Parallel()
	for _, pool := range []string{"5", "2"} {
		t.Run("pool of "+pool, func(t *testing.T) {
			t.Parallel()
			g := builder(t)
			w := open(t, g.url, "DATABASE_POOL_MAX="+pool)
			p := newPrisma(t)
			p.migration(t, "20260103000000_slow", "select pg_sleep(0.5); create table slow ();")
			p.threeBuilds(t, w.url)
			rows := testpg.Exec(t, g.admin, `select migration_name, count(*), count(finished_at) from _prisma_migrations group by 1 order by 1`)
			want := [][]string{{"20260101000000_tables", "1", "1"}, {"20260102000000_counters", "1", "1"}, {"20260103000000_slow", "1", "1"}}
			if !reflect.DeepEqual(rows, want) {
				t.Errorf("migrations, how often begun and finished: %v, want %v", rows, want)
			}
		})
	}
}

func (p prisma) threeBuilds(t *testing.T, url string) {
	t.Helper()
	var said [3]string
	public := withSchema(t, url, "public")
	err := together(len(said), func(i int) (err error) {
		said[i], err = p.cli(t.Context(), public, "migrate", "deploy")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(said[:], "")
	applied, idle := strings.Count(all, "All migrations have been successfully applied"), strings.Count(all, "No pending migrations")
	if applied != 1 || idle != 2 {
		t.Errorf("%d builds applied migrations and %d found none to apply, want 1 and 2:\n%s", applied, idle, all)
	}
	t.Logf("`prisma migrate deploy` three times at once: %d applied migrations, %d waited and found none to apply", applied, idle)
}

// The first deployment makes its database, as Prisma does where there is none.
func TestPrismaMakesItsDatabase(t *testing.T) {
	t.Parallel()
	g := builder(t)
	w := open(t, g.url, "DATABASE_POOL_MAX=5")
	name := g.role + "_first"
	t.Cleanup(func() { testpg.Exec(t, g.admin, "drop database if exists "+name+" with (force)") })
	u, err := url.Parse(withSchema(t, w.url, "public"))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	out, err := newPrisma(t).cli(t.Context(), u.String(), "migrate", "deploy")
	if err != nil || !strings.Contains(out, name+" created") {
		t.Errorf("%v\n%s\nwant that the database is made and migrated", err, out)
	}
	u.RawQuery = "sslmode=disable"
	if n := number(t, testpg.Exec(t, u.String(), `select count(*) from "Counter"`)[0][0]); n != 100 {
		t.Errorf("%d rows in a table of the first migrations, want 100", n)
	}
}

// A build that is killed while it holds the lock of Prisma's migrations does
// not keep the next one out.
func TestPrismaMigrationThatIsKilledLetsTheNextOneIn(t *testing.T) {
	t.Parallel()
	g := builder(t)
	w := open(t, g.url, "DATABASE_POOL_MAX=5")
	p := newPrisma(t)
	url := withSchema(t, w.url, "public")
	if _, err := p.cli(t.Context(), url, "migrate", "deploy"); err != nil {
		t.Fatal(err)
	}

	other, err := pgx.Connect(t.Context(), g.admin)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.WithoutCancel(t.Context()))
	if _, err := other.Exec(t.Context(), "begin; lock table _prisma_migrations"); err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	dying := p.command(ctx, url, prismaCLI, "migrate", "deploy")
	if err := dying.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the migration has its lock and waits for the table", func() error {
		if n := g.migrating(t); n != 1 {
			return fmt.Errorf("%d sessions have the lock", n)
		}
		if testpg.Exec(t, g.admin, "select count(*) from pg_locks where relation = '_prisma_migrations'::regclass and not granted")[0][0] == "0" {
			return errors.New("nobody waits for the table")
		}
		return nil
	})
	kill()
	if err := dying.Wait(); err == nil {
		t.Error("the migration that was killed ended well")
	}
	if _, err := other.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	await(t, "nobody has the lock of migrations", func() error {
		if n := g.migrating(t); n != 0 {
			return fmt.Errorf("%d sessions have it", n)
		}
		return nil
	})
	out, err := p.cli(t.Context(), url, "migrate", "deploy")
	if err != nil || !strings.Contains(out, "No pending migrations") {
		t.Errorf("the next one: %v\n%s", err, out)
	}
}

// migrating counts the sessions that have the lock of Prisma's migrations,
// whose number is written down in the schema engine.
func (g ground) migrating(t testing.TB) int {
	t.Helper()
	return number(t, testpg.Exec(t, g.admin, `
		select count(*) from pg_locks
		where locktype = 'advisory' and objid = 72707369 and granted
			and database = (select oid from pg_database where datname = current_database())`)[0][0])
}

// Two builds migrate at once to schemas of their own, which `?schema=` names,
// on a pool whose other clients look elsewhere.
func TestPrismaMigratesToTheSchemaOfItsURL(t *testing.T) {
	t.Parallel()
	g := builder(t)
	testpg.Exec(t, g.url, "create schema elsewhere")
	w := open(t, g.url, "DATABASE_POOL_MAX=5")
	astray(t, w.url)
	p := newPrisma(t)
	urls := []string{withSchema(t, w.url, "east"), withSchema(t, w.url, "West End")}
	err := together(len(urls), func(i int) error {
		_, err := p.cli(t.Context(), urls[i], "migrate", "deploy")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := testpg.Exec(t, g.admin, `select schemaname, count(*) from pg_tables
		where schemaname not in ('pg_catalog', 'information_schema') group by 1 order by 1`)
	if want := [][]string{{"West End", "8"}, {"east", "8"}}; !reflect.DeepEqual(rows, want) {
		t.Errorf("schemas and their numbers of tables: %v, want %v", rows, want)
	}
}

// astray has clients at work until the test ends, whose search_path is
// another, and who check that it stays so.
func astray(t *testing.T, url string) {
	t.Helper()
	stop := make(chan struct{})
	var done sync.WaitGroup
	for range 3 {
		config, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		config.RuntimeParams["search_path"] = "elsewhere"
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		done.Go(func() {
			ctx := context.WithoutCancel(t.Context())
			defer conn.Close(ctx)
			for open := true; open; {
				var schema string
				err := conn.QueryRow(ctx, "select current_schema()").Scan(&schema)
				if err != nil || schema != "elsewhere" {
					t.Errorf("a client beside the migrations is in schema %q, %v", schema, err)
					return
				}
				select {
				case <-stop:
					open = false
				case <-time.After(time.Millisecond): // leaves the processor to the migrations
				}
			}
		})
	}
	t.Cleanup(func() { close(stop); done.Wait() })
}
