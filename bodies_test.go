// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// routines are what the bodies below are called by.
const routines = `
create function setter() returns int language plpgsql as $$begin perform set_config('app.tenant', 'a', false); return 1; end$$;
create function outer_setter() returns int language sql as 'select setter()';
create function named(n text) returns int language plpgsql as $$begin perform set_config(n, 'a', false); return 1; end$$;
create function becomes() returns int language plpgsql as $$begin execute 'set ro' || 'le pg_monitor'; return 1; end$$;
create procedure proc() language plpgsql as $$begin set role pg_monitor; end$$;
create function locks() returns int language sql begin atomic select 1 from pg_advisory_lock(7); end;
create function temps() returns int language plpgsql as $$begin create temp table if not exists tt (n int); return 1; end$$;
create function seeds() returns int language sql as 'select 1 from setseed(0.5)';
create function runs(q text) returns int language plpgsql as $$begin execute q; return 1; end$$;
create function tenant() returns text language sql stable as $$select current_setting('app.tenant', true)$$;
create function fired() returns trigger language plpgsql as $$begin perform setter(); return new; end$$;
create table watched (n int); create trigger t before insert on watched for each row execute function fired();
create table parent (id int primary key);
create table child (id int references parent on delete cascade);
create trigger t after delete on child for each row execute function fired();
create view seen as select setter() as n;
create view seen_again as select * from seen;
create view builtin as select set_config('app.tenant', 'a', false) as n;
create table ruled (n int); create rule r as on insert to ruled do also select setter();
create table defaulted (n int, m int default setter());
create table checked (n int check (setter() = n));
create domain judged as int check (setter() = value);
create table dominated (n judged);
create function plus(int, int) returns int language sql as 'select setter()';
create table guarded (n int); create index on guarded ((n + 1));
create aggregate summed (int) (sfunc = plus, stype = int, initcond = '0');
create operator @@@ (leftarg = int, rightarg = int, function = plus);
create view operated as select 1 @@@ 2 as n;
create function argued(n int default setter()) returns int language plpgsql as 'begin return n; end';
create schema other; create function other."Odd Name"() returns int language plpgsql as $$begin set session app.tenant = 'a'; return 1; end$$;
create function nested() returns int language plpgsql as $$begin execute 'do $x$begin perform set_config(''role'', ''pg_monitor'', false); end$x$'; return 1; end$$;
create function nested_at(s text) returns int language plpgsql as $$begin execute format('do language plpgsql %L', s); return 1; end$$;
create function nested_by(s text) returns int language plpgsql as $$begin execute 'do ' || quote_literal(s); return 1; end$$;
create function joined(s text) returns int language plpgsql as $$begin execute 'se' || quote_ident(s) || ' role pg_monitor'; return 1; end$$;
create function maker() returns int language plpgsql as $$begin create or replace function pg_temp.made() returns int language plpgsql as 'begin set role pg_monitor; return 1; end'; return pg_temp.made(); end$$;
create function placed(s text) returns int language plpgsql as $$begin perform set_config('search_path', s, true); create table foo (n int); return 1; end$$;
create function placed_so(s text) returns int language plpgsql as $$begin execute format('set local search_path = %I', s); execute 'create table foo (n int)'; return 1; end$$;
create function set_path(s text) returns int language sql as $$select 1 from set_config('search_path', s, true)$$;
create function makes() returns int language plpgsql as $$begin create table foo (n int); return 1; end$$;
create function placed_there() returns int language plpgsql set search_path = pg_temp, public as $$begin return public.makes(); end$$;
create function placed_by(s text) returns int language plpgsql as $$begin perform set_path(s); return public.makes(); end$$;
create function harmless(n int) returns int language plpgsql as $$begin -- set role bob
	update watched set n = 1 where false; return n; end$$;
create function local(n int) returns int language plpgsql as $$begin perform set_config('app.tenant', 'a', true); set local work_mem = '7MB'; return n; end$$;
create view knobs as select name as knob, setting as turned from pg_settings;
create table turned (n text); create rule r as on insert to turned do also update knobs set turned = new.n where knob = 'work_mem';
create function turns() returns int language plpgsql as $$begin update public."knobs" set turned = '7MB' where knob = 'work_mem'; return 1; end$$;
create function turns_quoted() returns int language sql as $$update pg_catalog."pg_settings" set setting = '7MB' where name = 'work_mem'; select 1$$;
`

// What a body leaves behind reaches nobody else, although no text shows it.
func TestBodiesLeaveNothingToOthers(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, routines)
	const tenant, user, lock = "select coalesce(current_setting('app.tenant', true), '')", "select current_user::text", "select pg_try_advisory_xact_lock(7)::text"
	const memory = "select current_setting('work_mem')"
	const foo = "select exists (select from pg_class where relname = 'foo' and relnamespace = pg_my_temp_schema())::text"
	for name, c := range map[string]struct {
		run, find   string
		mine, other string
	}{
		"do":                       {"do $$begin perform set_config('app.tenant', 'a', false); end$$", tenant, "a", ""},
		"do, quoted":               {"do 'begin perform set_config(''app.tenant'', ''a'', false); end' language plpgsql", tenant, "a", ""},
		"do, language first":       {"do language plpgsql 'begin perform set_config(''app.tenant'', ''a'', false); end'", tenant, "a", ""},
		"do, escapes":              {`do e'begin perform set_config(\'app.tenant\', \'a\', false); end'`, tenant, "a", ""},
		"do, in two strings":       {"do 'begin set app.te'\n'nant = ''a''; end'", tenant, "a", ""},
		"do, in three strings":     {"do e'begin perform set_config(\\'ap' -- a comment\n 'p.te'\n'nant\\', \\'a\\', false); end'", tenant, "a", ""},
		"do, language in a string": {"do language 'plpgsql'\n e'begin perform setter(); end'", tenant, "a", ""},
		"name in two strings":      {"select set_config('app.te'\n'nant', 'a', false)", tenant, "a", ""},
		"body, in two strings":     {"do $$begin execute 'set app.te'\n'nant = ''a'''; end$$", tenant, "a", ""},
		"do, computed":             {"do $$begin perform set_config('app.' || 'tenant', 'a', false); end$$", tenant, "a", ""},
		"do, set role":             {"do $$begin set role pg_monitor; end$$", user, "pg_monitor", "postgres"},
		"do, set session":          {"do $$begin set session app.tenant = 'a'; end$$", tenant, "a", ""},
		"do, dynamic":              {"do $$begin execute 'set app.tenant = ''a'''; end$$", tenant, "a", ""},
		"do, dynamic, computed":    {"do $$begin execute 'set app.' || lower('TENANT') || ' = ''a'''; end$$", tenant, "a", ""},
		"do, calls":                {"do $$begin perform setter(); end$$", tenant, "a", ""},
		"do, seed":                 {"do $$begin perform setseed(0.5); end$$", "select random()::text", "0.9851677175347999", "*"},
		"function":                 {"select setter()", tenant, "a", ""},
		"function of a function":   {"select outer_setter()", tenant, "a", ""},
		"function, name given":     {"select named('app.tenant')", tenant, "a", ""},
		"function, dynamic":        {"select becomes()", user, "pg_monitor", "postgres"},
		"function, runs anything":  {"select runs('set app.tenant = ''a''')", tenant, "a", ""},
		"function, odd name":       {`select other."Odd Name"()`, tenant, "a", ""},
		"function, default":        {"select argued()", tenant, "a", ""},
		"procedure":                {"call proc()", user, "pg_monitor", "postgres"},
		"lock":                     {"select locks()", lock, "true", "false"},
		"temporary":                {"select temps()", "select coalesce(to_regclass('pg_temp.tt')::text, '')", "tt", ""},
		"seed":                     {"select seeds()", "select random()::text", "0.9851677175347999", "*"},
		"trigger":                  {"insert into watched values (1)", tenant, "a", ""},
		"trigger, copy":            {"with a as (select 1) insert into public.watched select 1", tenant, "a", ""},
		"trigger, cascade":         {"delete from parent", tenant, "a", ""},
		"view":                     {"select n from seen", tenant, "a", ""},
		"view of a view":           {"table seen_again", tenant, "a", ""},
		"view of PostgreSQL's":     {"select n from builtin", tenant, "a", ""},
		"rule":                     {"insert into ruled values (1)", tenant, "a", ""},
		"default":                  {"insert into defaulted values (1)", tenant, "a", ""},
		"check":                    {"insert into checked values (1)", tenant, "a", ""},
		"domain":                   {"select 1::judged", tenant, "a", ""},
		"domain of a column":       {"insert into dominated values ('1')", tenant, "a", ""},
		"aggregate":                {"select summed(n) from (values (1)) v (n)", tenant, "a", ""},
		"operator":                 {"select 1@@@2", tenant, "a", ""},
		"operator, schema":         {"select 1 operator(public.@@@) 2", tenant, "a", ""},
		"view of an operator":      {"select n from operated", tenant, "a", ""},
		"query to xml":             {"select query_to_xml('select setter()', true, true, '')", tenant, "a", ""},
		"prepared by SQL":          {"prepare p as select setter(); execute p; deallocate p", tenant, "a", ""},
		"do in a body":             {"select nested()", user, "pg_monitor", "postgres"},
		"do of a value":            {"select nested_at('begin set role pg_monitor; end')", user, "pg_monitor", "postgres"},
		"do of a literal":          {"select nested_by('begin set role pg_monitor; end')", user, "pg_monitor", "postgres"},
		"a word in two parts":      {"select joined('t')", user, "pg_monitor", "postgres"},
		"a function in a body":     {"select maker()", user, "pg_monitor", "postgres"},
		"path":                     {"select placed('pg_temp')", foo, "true", "false"},
		"path, dynamic":            {"select placed_so('pg_temp')", foo, "true", "false"},
		"path, another function":   {"select placed_by('pg_temp')", foo, "true", "false"},
		"path, function's own":     {"select placed_there()", foo, "true", "false"},
		"path, statement before":   {"begin; select set_path('pg_temp'); create table foo (n int); commit", foo, "true", "false"},
		"settings in a view":       {"update knobs set turned = '7MB' where knob = 'work_mem'", memory, "7MB", "4MB"},
		"settings in a rule":       {"insert into turned values ('7MB')", memory, "7MB", "4MB"},
		"settings in a function":   {"select turns()", memory, "7MB", "4MB"},
		"settings, quoted":         {"select turns_quoted()", memory, "7MB", "4MB"},
		"harmless":                 {"select harmless(1)", tenant, "", ""},
		"for the transaction":      {"select local(1)", tenant, "", ""},
		"made just now":            {"create function pg_temp.now() returns void language plpgsql as $$begin set role pg_monitor; end$$; select pg_temp.now()", user, "pg_monitor", "postgres"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "trigger, cascade" { // nobody else has a use for rows that it deletes
				testpg.Exec(t, url, "insert into parent values (1); insert into child values (1)")
			}
			for _, form := range []string{"simple", "prepared"} {
				if form != "simple" && strings.Contains(c.run, "; ") && !strings.HasPrefix(c.run, "do") || name == "trigger, cascade" && form != "simple" {
					continue // several statements, or once is enough
				}
				g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
				one, other := g.connect(t), g.connect(t)
				forms[form](t, one, c.run)
				for i := range 2 {
					if got := answers(t, other, c.find); got != c.other && c.other != "*" {
						t.Errorf("%s: the other client finds %q, want %q", form, got, c.other)
					} else if c.other == "*" && got == c.mine {
						t.Errorf("%s: the other client finds %q as well", form, got)
					}
					if got := answers(t, one, c.find); got != c.mine && (c.other != "*" || i == 0) {
						t.Errorf("%s: the client finds %q, want %q", form, got, c.mine)
					}
				}
				for _, conn := range []*pgx.Conn{one, other} {
					if err := conn.Close(bounded(t)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// Bodies may forget statements that others prepared on the connection.
func TestBodiesThatDeallocateHarmNobody(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create function forgets() returns void language plpgsql as $$begin execute 'deallocate all'; end$$")
	g := open(t, url, poolOf(1))
	one, other := g.connect(t), g.connect(t)
	ctx := bounded(t)
	for _, sql := range []string{"do $$begin execute 'deallocate all'; end$$", "select forgets()", "do $$begin deallocate all; end$$"} {
		if _, err := other.Prepare(ctx, "p", "select 'theirs'"); err != nil {
			t.Fatal(err)
		}
		must(t, one, sql)
		tx, err := other.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		if err := tx.QueryRow(ctx, "p").Scan(&got); err != nil || got != "theirs" {
			t.Errorf("after %q by another client the statement answers %q, %v", sql, got, err)
		}
		_ = tx.Rollback(ctx)
	}
}

// What others define in the database is seen.
func TestBodiesThatChangeAreReadAgain(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create function f() returns void language sql as ''")
	g := open(t, url, poolOf(4))
	one, two := g.connect(t), g.connect(t)
	must(t, one, "select f()")
	g.pins(t, 0)
	must(t, two, "create or replace function f() returns void language plpgsql as $$begin perform pg_advisory_lock(7); end$$")
	must(t, one, "select f()")
	g.pins(t, 1)
	must(t, one, "select pg_advisory_unlock(7)")
	g.pins(t, 0)
	must(t, two, "begin; create or replace function f() returns void language plpgsql as $$begin perform setseed(0.5); end$$; select f(); commit")
	g.pins(t, 1)
	must(t, one, "begin; create function calls() returns void language sql as 'select f()'")
	must(t, one, "select calls()")
	must(t, one, "commit")
	g.pins(t, 2)
}

// Whatever the catalog names a function in calls it, and so does whatever is made of
// it, each in a database where nothing else does.
func TestWhatTheCatalogNamesIsCalled(t *testing.T) {
	t.Parallel()
	const evil = "create function evil() returns text language plpgsql as $$begin perform set_config('role', 'pg_monitor', false); return 'x'; end$$;"
	const judged = evil + "create domain judged as text check (evil() is not null);"
	const held = judged + "create type held as (a judged);"
	const find = "select concat(current_user, ' ', (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()), ' ', current_setting('work_mem'))"
	const nothing = "postgres 0 4MB"
	const truncated = "create function f() returns trigger language plpgsql as $$begin perform evil(); return null; end$$; create table p (n int primary key); create table c (n int primary key references p);"
	const before = "create trigger t before truncate on d execute function f()"
	const keyed = "create function f(n int) returns int language plpgsql immutable as $$begin perform set_config('role', 'pg_monitor', false); return n; end$$; create table p (n int) partition by list (f(n));"
	const locked = "create function lk(n int) returns int language plpgsql immutable as $$begin perform pg_advisory_lock(n); return n; end$$; create table t (n int); create index i on t (lk(n)); create index b on t using brin (lk(n)); insert into t values (1);"
	const lockOperator = "create operator @@@ (function = pg_advisory_lock, leftarg = int, rightarg = int);"
	for name, c := range map[string]struct{ made, run string }{
		"operator":            {lockOperator, "select 1 @@@ 2"},
		"operator, schema":    {lockOperator, "select 1 operator(public.@@@) 2"},
		"operator in a view":  {lockOperator + "create view v as select (1 @@@ 2)::text as n", "select count(*) from (select * from v offset 0) v"},
		"operator in a check": {"create operator === (function = pg_try_advisory_lock, leftarg = int, rightarg = int); create domain d as int check (value === 2)", "select 1::d"},
		"negator": {"create operator === (function = int4eq, leftarg = int, rightarg = int); create operator !== (function = pg_try_advisory_lock, negator = ===, leftarg = int, rightarg = int);" +
			"create table t (n int); insert into t values (1)", "select not (n === 2) from t"},
		"aggregate":                       {"create aggregate agset (text, bool) (sfunc = set_config, stype = text, initcond = 'role')", "select agset('pg_monitor', false)"},
		"aggregate, final":                {"create aggregate aglock (bigint) (sfunc = int8pl, stype = int8, initcond = '0', finalfunc = pg_advisory_lock)", "select aglock(7)"},
		"cast":                            {"create cast (bigint as bool) with function pg_try_advisory_lock(bigint)", "select 7::bigint::bool"},
		"domain":                          {judged, "select 'x'::judged"},
		"domain of a domain":              {judged + "create domain again as judged", "select 'x'::again"},
		"domain, cast":                    {judged + "create domain again as judged; create domain third as again", "select cast('x' as third)"},
		"domain of a record":              {judged + "create domain again as judged", `select * from jsonb_to_recordset('[{"b":"x"}]') as x(b again)`},
		"domain's default":                {evil + "create domain d as text default evil(); create table t (n int, d d)", "insert into t (n) values (1)"},
		"domain's default, of PostgreSQL": {"create domain d as text default set_config('role', 'pg_monitor', false); create table t (n int, d d)", "insert into t (n) values (1)"},
		"composite":                       {held, "select '(x)'::held"},
		"composite of one":                {held + "create type holder as (b held)", `select '("(x)")'::holder`},
		"composite from json":             {held + "create type holder as (b held)", `select json_populate_record(null::holder, '{"b":{"a":"x"}}')`},
		"composite in a table":            {held + "create table t (c held)", "insert into t values (row('x'))"},
		"row of a table":                  {judged + "create table t (c judged); create domain d as t", "select '(x)'::d"},
		"array":                           {judged, "select '{x}'::judged[]"},
		"array of composites":             {held, "select '{(x)}'::_held"},
		"range":                           {judged + "create type r as range (subtype = judged)", "select '[x,y]'::r"},
		"multirange":                      {judged + "create type r as range (subtype = judged, multirange_type_name = mr)", "select '{[x,y]}'::mr"},
		"view of a type":                  {judged + "create table t (n text); insert into t values ('x'); create view v as select n::judged::text from t", "select * from v"},
		"argument":                        {judged + "create function f(x judged) returns text language plpgsql as 'begin return 1; end'", "select f('x')"},
		"result":                          {judged + "create function f() returns judged language plpgsql as 'begin return 1; end'", "select f()"},
		"out":                             {judged + "create function f(out a judged, out b int) language plpgsql as 'begin a := 1; end'", "select f()"},
		"columns":                         {held + "create function f() returns table (a held) language plpgsql as 'begin a := row(1); return next; end'", "select f()"},
		"truncate":                        {evil + truncated + "create table d (n int references c); " + before, "truncate p cascade"},
		"truncate, at once":               {evil + truncated + "alter table c rename to d; " + before, "truncate table only p restart identity cascade"},
		"truncate in a function":          {evil + truncated + "alter table c rename to d; " + before + "; create function g() returns int language plpgsql as $$begin truncate p cascade; return 1; end$$", "select g()"},
		"settings, name given":            {"create function f(n text) returns int language plpgsql as $$begin execute format('update %I set setting = %L where name = %L', n, '7MB', 'work_mem'); return 1; end$$", "select f('pg_settings')"},
		"input of a record":               {held, "select record_in('(x)', 'held'::regtype, -1)::text"},
		"input of an array":               {judged, "select array_in('{x}', 'judged'::regtype, -1)::text"},
		"input, oid":                      {held, "select pg_catalog . \"record_in\"('(x)', ('he' || 'ld')::regtype, -1)::text"},
		"input of a domain":               {judged, "select domain_in('x', 'judged'::regtype, -1) is not null"},
		"input of a range":                {judged + "create type r as range (subtype = judged)", "select range_in('[x,y]', 'r'::regtype, -1)::text"},
		"input of a multirange":           {judged + "create type r as range (subtype = judged, multirange_type_name = mr)", "select multirange_in('{[x,y]}', 'mr'::regtype, -1)::text"},
		"input in a function":             {held + "create function f(t text) returns text language plpgsql as $$begin return record_in('(x)', t::regtype, -1)::text; end$$", "select f('held')"},
		"input in a view":                 {held + "create table n (n text); insert into n values ('held'); create view v as select record_in('(x)', n::regtype, -1)::text as n from n", "select * from v"},
		"partition's key":                 {keyed + "create table p1 partition of p for values in (1)", "insert into p1 values (1)"},
		"partition's key, deep":           {keyed + "create table p1 partition of p for values in (1) partition by list (n); create table p2 partition of p1 default", "insert into p2 values (1)"},
		"maintenance of all":              {locked, "analyze"},
		"maintenance of all in a block":   {locked, "do $$begin analyze; end$$"},
		"maintenance of all, dynamic":     {locked + "create function f(t text) returns int language plpgsql as $$begin execute t; return 1; end$$", "select f('analyze')"},
		"maintenance, vacuum":             {locked, "vacuum (analyze)"},
		"maintenance, cluster":            {locked + "cluster t using i", "cluster"},
		"maintenance of an index":         {locked, "reindex index i"},
		"maintenance of a schema":         {locked, "reindex (verbose) schema public"},
		"maintenance by a function":       {locked + "select brin_desummarize_range('b', 0)", "select brin_summarize_new_values('b')"},
		"check of an index":               {locked + "create extension amcheck", "select bt_index_check('i', true)"},
		"arguments of a trigger": {evil + "create extension refint; create table p (id int); create table c (id int); insert into p values (1); insert into c values (1);" +
			"create function f() returns trigger language plpgsql as $$begin perform evil(); return old; end$$; create trigger t after delete on c for each row execute function f();" +
			"create trigger t after delete on p for each row execute function check_foreign_key(1, 'cascade', 'id', 'c', 'id')", "delete from p"},
		"check of another": {judged + "create domain d as text check (value::judged is not null)", "select 'x'::d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			testpg.Exec(t, url, c.made)
			g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
			one, other := g.connect(t), g.connect(t)
			form := "prepared"
			if strings.HasPrefix(c.run, "truncate") {
				form = "simple"
			}
			forms[form](t, one, c.run)
			if got := answers(t, other, find); got != nothing {
				t.Errorf("the other client finds %q", got)
			}
			if got := answers(t, one, find); got == nothing {
				t.Error("the client has lost what it did")
			}
		})
	}
}

// What an extension keeps in variables of its own keeps its client.
func TestStateOfExtensionsPins(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create extension isn; create view weak as select isn_weak(true) as weak")
	g := open(t, url, poolOf(4))
	for i, sql := range []string{"select isn_weak(true)", "select * from weak"} {
		must(t, g.connect(t), sql)
		g.pins(t, i+1)
	}
}

// What makes values of a range leaves nothing.
func TestTypesOfOnesOwnPinNobody(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create type r as range (subtype = int4); create type e as enum ('a'); create type c as (e e, r r); create domain d as c[];"+
		"create function f(d) returns r language sql as 'select r(1, 2)'; create operator @@@ (function = int4pl, leftarg = int, rightarg = int)")
	g := open(t, url, poolOf(1))
	one := g.connect(t)
	must(t, one, "select f(array[row('a', '[1,2)')]::c[]::d), r(1, 2)::r_multirange, 1 @@@ 2")
	g.pins(t, 0)
}

// Bind makes values of types that no word of the statement names.
func TestTypesOfParametersRunWhatTheyCall(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create function evil() returns text language plpgsql as $$begin perform set_config('role', 'pg_monitor', false); return 'x'; end$$;"+
		"create domain judged as text check (evil() is not null); create type held as (a judged); create table t (h held)")
	g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
	for _, c := range []struct{ sql, typ, value string }{
		{"select $1", "judged", "x"},
		{"select $1", "held", "(x)"},
		{"select $1", "t", `("(x)")`},
		{"select $1", "held[]", "{(x)}"},
		{"select 1", "judged", "x"},
		{"begin", "judged", "x"},
		{"show work_mem", "judged", "x"},
		{"", "judged", "x"},
	} {
		for _, executes := range []bool{false, true} {
			one, other := g.raw(t), g.connect(t)
			oid, _ := strconv.ParseUint(answers(t, other, "select '"+c.typ+"'::regtype::oid"), 10, 32)
			messages := []pgproto3.FrontendMessage{
				&pgproto3.Parse{Query: c.sql, ParameterOIDs: []uint32{uint32(oid)}},
				&pgproto3.Bind{Parameters: [][]byte{[]byte(c.value)}},
			}
			if executes {
				messages = append(messages, &pgproto3.Execute{})
			}
			one.send(t, append(messages, &pgproto3.Sync{})...)
			one.transcript(t, 1)
			if got := answers(t, other, "select current_user::text"); got != "postgres" {
				t.Errorf("%q of a %s: the other client is %s", c.sql, c.typ, got)
			}
			_ = one.Close()
			_ = other.Close(bounded(t))
		}
	}
	one, other := g.raw(t), g.connect(t)
	held := answers(t, other, "select 'held'::regtype::oid::text")
	one.send(t, &pgproto3.FunctionCall{Function: 2290, ArgFormatCodes: []uint16{0}, Arguments: [][]byte{[]byte("(x)"), []byte(held), []byte("-1")}}) // record_in
	one.transcript(t, 1)
	if got := answers(t, other, "select current_user::text"); got != "postgres" {
		t.Errorf("after a FunctionCall of record_in the other client is %s", got)
	}
}

// What others define while the pool is quiet is seen by the first who calls it.
func TestBodiesAreReadAgainAfterAQuietTime(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(2)) // of which only one connection is open when the other client comes
	one, other := g.connect(t), g.connect(t)
	must(t, one, "select 1")
	for name, before := range map[string]string{"quiet": "select 1", "pinned": "create temp table tt (n int)"} {
		must(t, one, before)
		testpg.Exec(t, url, "create function "+name+"() returns int language plpgsql as $$begin set role pg_monitor; return 1; end$$")
		g.reload(t, poolOf(2))
		must(t, one, "select "+name+"()")
		must(t, one, "discard temp")
		if got := answers(t, other, "select current_user::text"); got != "postgres" {
			t.Errorf("%s: the other client is %q", name, got)
		}
		if got := answers(t, one, "select current_user::text"); got != "pg_monitor" {
			t.Errorf("%s: the client is %q", name, got)
		}
		must(t, one, "reset role")
	}
}

// What somebody else has defined that has the name of what a text meant before is
// what it means to those who prepare it afterwards.
func TestParseAfterOthersHaveTakenAName(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create schema s; create schema u; create function u.f() returns text language sql as 'select ''old'''; create table u.t (n text); insert into u.t values ('old')")
	g := open(t, url, poolOf(1))
	const path = "search_path=s,u,pg_catalog"
	texts := []string{"select n from t", "select f()", "select lower('OLD')", "select current_user::text"}
	prepare := func(t *testing.T, c *pgx.Conn, name string) (list []string) {
		t.Helper()
		for i, text := range texts {
			if _, err := c.Prepare(bounded(t), name+strconv.Itoa(i), text); err != nil {
				t.Fatal(err)
			}
			var got string
			if err := c.QueryRow(bounded(t), name+strconv.Itoa(i)).Scan(&got); err != nil {
				t.Fatal(err)
			}
			list = append(list, got)
		}
		return list
	}
	one, two, other, twin := g.connect(t, path), g.connect(t, path), g.connect(t), direct(t, url+"&"+path)
	want := prepare(t, twin, "before")
	for _, c := range []*pgx.Conn{one, two} {
		if got := prepare(t, c, "before"); !slices.Equal(got, want) {
			t.Errorf("before: %q, directly %q", got, want)
		}
	}
	testpg.Exec(t, url, "create function s.lower(text) returns text language plpgsql as $$begin set role pg_monitor; return 'new'; end$$; create function s.f() returns text language sql as 'select ''new'''; create table s.t (n text); insert into s.t values ('new')")
	g.reload(t, poolOf(1))
	want = prepare(t, twin, "after")
	for _, c := range []*pgx.Conn{one, two} {
		if got := prepare(t, c, "after"); !slices.Equal(got, want) {
			t.Errorf("after: %q, directly %q", got, want)
		}
		if got := answers(t, other, "select current_user::text"); got != "postgres" {
			t.Errorf("the other client is %q", got)
		}
	}
}
