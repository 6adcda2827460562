// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// estate is a database with what pg_dump has to take care of.
const estate = `
create schema "Back Office";
create type mood as enum ('sad', 'ok');
create domain positive as int check (value > 0);
create function twice(n int) returns int language sql immutable as 'select 2 * n';
create table people (id serial primary key, name text not null, born date, mood mood default 'ok', salary positive, photo bytea, doubled int generated always as (twice(id)) stored);
create table "Back Office".orders (id bigint generated always as identity primary key, person int references people on delete cascade, at timestamptz, lines jsonb);
create index on "Back Office".orders using gin (lines);
create view adults as select * from people where born < '2000-01-01';
create materialized view moods as select mood, count(*) from people group by mood;
create table events (at date, what text) partition by range (at);
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01');
create table events_rest partition of events default;
create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
create trigger guard before truncate on people execute function refuse();
comment on table people is 'it''s "people"';
alter table people enable row level security;
insert into people (name, born, salary, photo) select 'n' || i, date '1970-01-01' + i, i, decode(md5(i::text), 'hex') from generate_series(1, 3000) i;
insert into people (name) values (E'tab\tnew\nline \\ back'), ('Ünïcödé ☃');
insert into "Back Office".orders (person, at, lines) select 1 + i % 3000, timestamptz '2025-01-01 00:00+00' + i * interval '1 minute', jsonb_build_object('n', i) from generate_series(1, 5000) i;
insert into events select date '2024-12-01' + i, 'e' || i from generate_series(1, 400) i;
select lo_from_bytea(4711, 'a large object');
refresh materialized view moods`

// TestDumpAndRestore takes a database from one place to the next through weir,
// in each of pg_dump's formats, while others use the pool: what arrives is what
// a direct dump of the first has.
func TestDumpAndRestore(t *testing.T) {
	t.Parallel()
	server := testpg.URL(t)
	from := testpg.Database(t, server)
	testpg.Exec(t, from, estate)
	want := dumped(t, from)
	for _, c := range []struct {
		format string
		pool   string
		dump   []string
	}{
		{"plain", "1", []string{"-Fp"}},
		{"custom", "1", []string{"-Fc"}},
		{"tar", "2", []string{"-Ft"}},
		// One connection exports its snapshot, and two read it.
		{"directory", "4", []string{"-Fd", "-j", "2"}},
	} {
		t.Run(c.format, func(t *testing.T) {
			t.Parallel()
			to := testpg.Database(t, server)
			w := open(t, from, "DATABASE_POOL_MAX="+c.pool)
			strangers(t, w.url)
			strangers(t, elsewhere(t, w.url, to))
			file := filepath.Join(t.TempDir(), "dump")
			tool(t, "pg_dump", append(c.dump, "-f", file, w.url)...)
			restore(t, c.format, file, elsewhere(t, w.url, to))
			sameLines(t, dumped(t, to), want)
		})
	}
}

// restore fills a database from a dump.
func restore(t *testing.T, format, file, url string) {
	t.Helper()
	switch format {
	case "plain":
		tool(t, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file, url)
	case "directory":
		tool(t, "pg_restore", "-j", "2", "-d", url, file)
	default:
		tool(t, "pg_restore", "--single-transaction", "-d", url, file)
	}
}

// elsewhere is a URL with the database of another.
func elsewhere(t *testing.T, base, database string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	d, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = d.Path
	return u.String()
}

// dumped is what pg_dump says of a database, but for the keys that newer ones
// make up each time.
func dumped(t *testing.T, url string) string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(tool(t, "pg_dump", url)) {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// tool runs one of PostgreSQL's programs.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := output(within(t), "", nil, testpg.Program(t, name), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
