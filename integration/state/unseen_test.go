// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"strings"
)

// fixtures are what calls what: functions, procedures, and all that can call them
// unseen. Each takes a text of the client's own.
const fixtures = `
create or replace function f_set(n text, v text) returns text language plpgsql as $$begin return set_config(n, v, false); end$$;
create or replace function f_sql(n text, v text) returns text language sql as $$select set_config(n, v, false)$$;
create or replace function f_dyn(s text) returns void language plpgsql as $$begin execute s; end$$;
create or replace function f_role() returns void language plpgsql as $$begin set role pg_monitor; end$$;
create or replace function f_lock() returns boolean language sql as $$select pg_try_advisory_lock(1)$$;
create or replace function f_temp(v text) returns void language plpgsql as $$begin create temp table if not exists t (whose text); insert into t values (v); end$$;
create or replace function f_nested(v text) returns text language sql as $$select f_set('app.tenant', v)$$;
create or replace function f_stable(v text) returns text language sql stable as $$select f_set('app.tenant', v)$$;
create or replace function f_default(v text default f_set('app.other', 'by default')) returns text language sql as $$select v$$;
create or replace function f_own(v text) returns text language plpgsql set work_mem = '9MB' as $$begin perform set_config('app.tenant', v, false); return current_setting('work_mem'); end$$;
create or replace function f_check(v int) returns boolean language sql as $$select f_set('app.other', 'by a domain') is not null$$;
create or replace function f_trigger() returns trigger language plpgsql as $$begin perform set_config('app.tenant', 'by a trigger of ' || coalesce(new.name, ''), false); return new; end$$;
create or replace function f_operator(a int, b text) returns text language sql as $$select f_set('app.tenant', b)$$;
create or replace procedure p_set(n text, v text) language sql as $$select set_config(n, v, false)$$;
create or replace procedure p_dyn(s text) language plpgsql as $$begin execute s; end$$;
create or replace procedure p_commit(v text) language plpgsql as $$begin perform set_config('app.tenant', v, false); commit; perform set_config('app.other', v, false); end$$;
create or replace procedure p_rollback(v text) language plpgsql as $$begin perform set_config('app.tenant', v, false); rollback; perform set_config('app.other', v, false); end$$;
drop view if exists v_sets; create view v_sets as select f_set('app.tenant', 'by a view') as tenant;
drop domain if exists d_sets; create domain d_sets as int check (f_check(value));
drop operator if exists @@@ (int, text); create operator @@@ (leftarg = int, rightarg = text, function = f_operator);
drop table if exists watched; create table watched (name text, other text default f_default()); grant all on watched to public;
create trigger watch before insert on watched for each row execute function f_trigger();
`

// body is a statement of plpgsql, or a text for EXECUTE.
func (m maker) body(who int) (static, dynamic string) {
	whose := mine(who)
	dynamic = m.of("set work_mem = '7MB'", "set app.tenant = '"+whose+"'", "set role pg_monitor", "reset role", "reset all", "set local app.other = '"+whose+"'",
		"prepare p as select '"+whose+"'", "deallocate all", "deallocate p", "create temp table t as select '"+whose+"' as whose", "drop table if exists t",
		"listen news", "unlisten *", "select pg_try_advisory_lock(1)", "select pg_advisory_unlock_all()", "select set_config('app.tenant', '"+whose+"', false)",
		"set search_path = pg_temp, public", "set session authorization pg_monitor", "select nowhere", "set datestyle = 'German'",
		"declare c cursor with hold for select 1", "close all")
	static = m.of("perform set_config('app.tenant', '"+whose+"', false)", "perform set_config('app.'||'other', '"+whose+"', false)",
		"perform set_config('ro'||'le', 'pg_monitor', false)", "set role pg_monitor", "set work_mem = '6MB'", "set local work_mem = '8MB'",
		"perform pg_try_advisory_lock(2)", "perform pg_advisory_unlock(2)", "create temp table t (whose text)", "perform 1/0",
		"execute "+literal(dynamic), "execute "+literal(dynamic), "execute "+literal(dynamic),
		"begin execute "+literal(dynamic)+"; raise exception 'no'; exception when others then null; end")
	return static, dynamic
}

// literal is a string of SQL.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (m maker) do(who int) string {
	static, dynamic := m.body(who)
	return m.of("do $$begin "+static+"; end$$", "do language plpgsql $x$begin "+static+"; end$x$", "do "+literal("begin "+static+"; end"),
		"do $$begin execute "+literal(dynamic)+"; end$$")
}

func (m maker) function(who int) string {
	_, dynamic := m.body(who)
	whose := literal(mine(who))
	return m.of("select f_set('app.tenant', "+whose+")", "select f_sql('app.other', "+whose+")", "select public.f_dyn("+literal(dynamic)+")",
		"select f_dyn("+literal(dynamic)+")", "select * from f_dyn("+literal(dynamic)+")", "call p_set('app.tenant', "+whose+")", "call p_dyn("+literal(dynamic)+")",
		"call p_commit("+whose+")", "call p_rollback("+whose+")", "select f_role()", "select f_lock()", "select f_temp("+whose+")", "select f_nested("+whose+")",
		"select f_stable("+whose+")", "select f_own("+whose+")", "select f_default()", "select f_set(n, "+whose+") from (values ('app.tenant')) v (n)",
		`select "f_set"('app.tenant', `+whose+")", `select U&"f\005fset"('app.tenant', `+whose+")")
}

// unseen calls functions that its text does not name.
func (m maker) unseen(who int) string {
	whose := literal(mine(who))
	return m.of("select * from v_sets", "insert into watched (name, other) values ("+whose+", '')", "insert into watched (name) values ("+whose+")",
		"select 7::d_sets", "select cast(7 as d_sets)", "select 1 @@@ "+whose, "select query_to_xml('select f_set(''app.tenant'', ''by xml'')', true, false, '')::text",
		"select table_to_xml('v_sets', true, false, '')::text", "table v_sets", `\query copy watched (name) from stdin \data by_copy \done`, "copy (select * from v_sets) to stdout")
}

// form is set_config as few write it.
func (m maker) form(who int) string {
	whose := literal(mine(who))
	return m.of("select set_config('app.'||'tenant', "+whose+", false)", "select set_config(setting_name => 'app.tenant', new_value => "+whose+", is_local => false)",
		"select set_config('app.tenant'::text, "+whose+"::text, false::bool)", "select set_config(E'app\\x2etenant', "+whose+", false)",
		"select set_config($$app.tenant$$, "+whose+", false)", "select set_config(U&'app\\002etenant', "+whose+", false)", `select "set_config"('app.tenant', `+whose+", false)",
		`select U&"set\005fconfig"('app.tenant', `+whose+", false)", "select set_config(n, "+whose+", l) from (values ('app.tenant', false), ('app.other', true)) v (n, l)",
		"with s as (select set_config('app.tenant', "+whose+", false) as v) select * from s", "select set_config('ro'||'le', 'pg_monitor', false)",
		"select set_config(lower('ROLE'), 'none', false)", "select set_config(concat('app.', 'other'), "+whose+", 1 > 2)",
		"copy (select set_config('app.'||'tenant', "+whose+", false)) to stdout", "explain (analyze, costs off, timing off, summary off) select set_config('app.'||'tenant', "+whose+", false)",
		"select case when true then set_config('app.'||'tenant', "+whose+", false) end", "select 1 from (select set_config('app.'||'other', "+whose+", false) offset 0) s",
		"select set_config(name, '7MB', false) from pg_settings where name like 'work\\_mem'", "select set_config(null, 'x', false)", "select set_config('', 'x', false)",
		"update pg_settings set setting = '7MB' where name = 'work'||'_mem'", `\parse - select set_config('app.'||$1::text,$2::text,false) \bind - - tenant of_a_bind \execute - 0 \sync`,
		`\parse s1 select set_config($1,$2,$3) \sync`, `\bind - s1 app.tenant of_a_bind f \execute - 0 \sync`, `\bind - s1 app.other of_a_bind t \execute - 0 \sync`,
		"prepare p (text) as select set_config('app.'||$1, "+whose+", false)", "execute p ('tenant')")
}

// call is the protocol's FunctionCall: 2078 is set_config, 2077 current_setting, 2880
// and 2882 pg_advisory_lock and its end for one key, 3696 is none at all.
func (m maker) call(who int) string {
	return m.of(`\function 2077 work_mem`, `\function 2077 app.nothing`, `\function 3696 1`, `\function 2077`)
}

// cursorsUnseen leave a cursor, or what a function of PostgreSQL's own does.
func (m maker) cursorsUnseen(who int) string {
	whose := mine(who)
	return m.of("select f_dyn('declare c cursor with hold for select ''"+whose+"''')", "do $$begin declare c cursor for select 1; begin open c; end; end$$", "fetch all from c", "close c",
		`\function 2078 app.tenant of_a_call f`, `\function 2078 app.other of_a_call t`)
}
