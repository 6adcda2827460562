// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// parameter is a setting that a session may change, with values to give it.
type parameter struct {
	name   string
	values []string // as literals
}

// unruly are settings that scripts leave alone: after them answers depend on time, on
// chance or on what weir itself does.
var unruly = []string{
	"client_min_messages", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout", "transaction_timeout",
	"exit_on_error", "max_stack_depth", "seed", "post_auth_delay", "pre_auth_delay", "session_preload_libraries", "local_preload_libraries",
	"default_transaction_deferrable", "default_transaction_isolation", "ignore_system_indexes", "client_connection_check_interval", "backtrace_functions", "jit_provider",
	"log_min_messages", "event_source", "log_statement", "zero_damaged_pages", "ignore_checksum_failure", "temp_tablespaces", "default_tablespace", "lc_messages",
}

// parameters asks PostgreSQL for all settings that a session may change.
func (g *ground) parameters(t testing.TB) (list []parameter) {
	t.Helper()
	const question = `select name, vartype, boot_val, coalesce(array_to_string(enumvals, ','), '') from pg_settings where context in ('user', 'superuser')` +
		` and name !~ '^(transaction_|debug_|trace_|log_.*stats|wal_consistency)' and name <> all ($1) order by name collate "C"`
	result := g.admin[0].ExecParams(t.Context(), question, [][]byte{[]byte("{" + strings.Join(unruly, ",") + "}")}, nil, nil, nil).Read()
	if result.Err != nil || len(result.Rows) < 100 {
		t.Fatalf("%d settings: %v", len(result.Rows), result.Err)
	}
	for _, row := range result.Rows {
		name, kind, boot := string(row[0]), string(row[1]), string(row[2])
		p := parameter{name: name}
		switch kind {
		case "bool":
			p.values = []string{"on", "off"}
		case "enum":
			for value := range strings.SplitSeq(string(row[3]), ",") {
				p.values = append(p.values, literal(value))
			}
		case "integer", "real":
			n, _ := strconv.ParseFloat(boot, 64) // 0 will do where it is none
			for _, v := range []float64{n, n + 1, n * 2, n / 2} {
				text := strconv.FormatFloat(v, 'f', -1, 64)
				if kind == "integer" {
					text = strconv.Itoa(int(v))
				}
				p.values = append(p.values, text)
			}
		default:
			p.values = slices.Compact([]string{literal(boot), "''"})
		}
		list = append(list, p)
	}
	return list
}

// anySetting changes any setting that PostgreSQL has.
func (m maker) anySetting(int) string {
	if len(m.parameters) == 0 {
		return "select 1"
	}
	p := m.parameters[m.IntN(len(m.parameters))]
	value := m.of(p.values...)
	quoted := value
	if !strings.HasPrefix(value, "'") {
		quoted = "'" + value + "'"
	}
	return m.of("set "+p.name+" = "+value, "set "+p.name+" = "+value, "set local "+p.name+" = "+value, "reset "+p.name,
		"select set_config('"+p.name+"', "+quoted+", false)", "select set_config('"+p.name+"', "+quoted+", true)", "show "+p.name,
		"update pg_settings set setting = "+quoted+" where name = '"+p.name+"'")
}

// everything looks at all settings but those that are there only where a backend has
// loaded a language, whoever it was for.
func (m maker) everything(int) string {
	return m.of(`select name, setting from pg_catalog.pg_settings where context in ('user', 'superuser') and name !~ '^transaction_|_timeout$|^plpgsql' order by name collate "C"`,
		`select coalesce(current_setting('app.tenant', true), ''), coalesce(current_setting('app.other', true), ''), current_setting('role'), current_setting('session_authorization'), current_setting('is_superuser')`,
		"select current_setting('role'), current_user, session_user, current_setting('search_path'), current_schemas(true) is null")
}

// sizes are lengths about which buffers and packets end.
var sizes = []int{1, 63, 64, 1000, 8000, 8191, 8192, 16000, 16384, 16385, 17000, 65536, 100_000, 1 << 20}

func (m maker) size(who int) string {
	n := sizes[m.IntN(len(sizes))] + m.IntN(3) - 1
	value := fmt.Sprintf("@%d*%d@", n, who)
	name := m.of("app.tenant", "app.big", "application_name")
	return m.of("set "+name+" = '"+value+"'", "select length(set_config('"+name+"', repeat('"+strconv.Itoa(who)+"', "+strconv.Itoa(n)+"), false))",
		"reset "+name, "select length(coalesce(current_setting('"+name+"', true), '')), md5(coalesce(current_setting('"+name+"', true), ''))", "select length(set_config('app.big', '', false))")
}

// quoting is about backslashes.
func (m maker) quoting(who int) string {
	whose := mine(who)
	return m.of("set standard_conforming_strings = off", "set standard_conforming_strings = off", "reset standard_conforming_strings", "set backslash_quote = on",
		`select 'it\'s'; set role pg_monitor`, `select 'it\'s'; set app.tenant = '`+whose+`'`, `select 'it\'; set work_mem = ''7MB''; --'`, `select 'a\\'; set work_mem = '7MB'`,
		`select '\'; select set_config('app.tenant', '`+whose+`', false); --'`, `select E'it\'s'; set work_mem = '6MB'`, `set app.tenant = 'back\slash\\`+whose+`'`,
		`select 'it\'s', pg_try_advisory_lock(1); --'`, `select 'x\''; create temp table t as select '`+whose+`' as whose; --'`, "show work_mem", "select coalesce(current_setting('app.tenant', true), '')")
}

// encoding is about bytes that look like ASCII and are not.
func (m maker) encoding(who int) string {
	return m.of("set client_encoding = 'SJIS'", "set names 'BIG5'", "set client_encoding to GBK", "set names 'LATIN1'", "reset client_encoding", "set client_encoding = 'UTF8'",
		"select E'\x95\x5c'; set work_mem = '7MB'", "select E'\x95\x5c', 'x'; set role pg_monitor", "select length('\x95\x5c')", "set app.tenant = '\x95\x5c'",
		"select E'\xa5\x5c'; set app.tenant = '"+mine(who)+"'", "select length('\xa5\x5c')", "select length('\xe9')", "set app.other = '\xe9'", "show client_encoding",
		"select E'\x81\x5c\\'; set work_mem = ''5MB''; --'", "show work_mem", "select coalesce(current_setting('app.other', true), '')")
}

// path makes temporary objects that no text says are.
func (m maker) path(who int) string {
	whose := mine(who)
	return m.of("set search_path = pg_temp, public", "set search_path = pg_temp", "set local search_path = pg_temp, public", "reset search_path", "select set_config('search_path', 'pg_temp, public', false)",
		"create table foo as select '"+whose+"' as whose", "create table if not exists foo (whose text)", "insert into foo values ('"+whose+"')", "select * from foo", "drop table foo",
		"create table pg_temp.foo (whose text)", "select '"+whose+"' as whose into foo", "create view pg_temp.v as select '"+whose+"' as whose", "select * from v",
		"create function pg_temp.f() returns text language sql as 'select ''"+whose+"''::text'", "select pg_temp.f()", "drop function pg_temp.f()", "create type pg_temp.kind as enum ('a')",
		"create sequence pg_temp.s", "create sequence s", "drop sequence if exists s", "discard temp", "create table public.foo"+strconv.Itoa(who)+" (n int)", "drop table public.foo"+strconv.Itoa(who))
}

// namespace prepares under the same names by SQL and by the protocol.
func (m maker) namespace(who int) string {
	name, whose := m.of("p", "q", "s0"), mine(who)
	return m.of("prepare "+name+" as select '"+whose+"'", "execute "+name, "deallocate "+name, "deallocate "+name+"; select 5", "explain (costs off) execute "+name,
		`\parse `+name+` select '`+whose+`' \sync`, `\parse `+name+` select '`+whose+`' \sync`, `\bind - `+name+` \execute - 0 \sync`, `\describe statement `+name+` \sync`,
		`\close statement `+name+` \sync`, "deallocate all", `\parse - execute `+name+` \bind - - \execute - 0 \sync`, "create temp table t as execute "+name,
		"select count(*) from pg_prepared_statements where from_sql and name = '"+name+"'", "select name, statement from pg_prepared_statements where from_sql order by 1")
}

// twoPhases prepares a transaction and ends it at once: what it locks, the client
// itself would wait for.
func (m maker) twoPhases(who int) string {
	gid := fmt.Sprintf("'%s gid %d'", thisSide, who)
	return strings.Join([]string{
		m.of("begin", "start transaction", "begin isolation level serializable"),
		m.of("insert into public.own"+strconv.Itoa(who)+" (n) values (9)", "set app.tenant = '"+mine(who)+"'", "set local work_mem = '8MB'", "select pg_try_advisory_xact_lock(1)",
			"create temp table t (whose text)", "notify news, 'never'", "select 1", "select pg_try_advisory_lock(2)", "declare c cursor with hold for select 1"),
		"prepare transaction " + gid, m.of("commit", "rollback", "show work_mem"), "rollback", m.of("commit", "rollback") + " prepared " + gid,
	}, "\n")
}

// failingGroup begins with what has an effect and ends in an error, or not.
func (m maker) failingGroup(who int) string {
	first := m.of("discard all", "reset all", "deallocate all", "set role pg_monitor", "set session authorization pg_monitor", "set app.tenant to '"+mine(who)+"'", "unlisten *",
		"discard temp", "reset role", "set work_mem to '7MB'", "select set_config('app.other', 'x', false)", "close all")
	parts := []string{first, m.of("select 1/0", "select 1/0", "select nowhere", "select 1", "show work_mem"), m.of("reset work_mem", "select current_user", "set timezone to 'Asia/Tokyo'")}
	if m.IntN(4) == 0 {
		return `\query ` + strings.Join(parts, "; ")
	}
	var b strings.Builder
	for _, part := range parts[:1+m.IntN(len(parts))] {
		b.WriteString(`\parse - ` + part + ` \bind - - \execute - 0 `)
	}
	return b.String() + `\sync`
}

// timeLimit has statements run into the client's limits, if they take so long.
func (m maker) timeLimit(int) string {
	return m.of("set statement_timeout = '1ms'", "set statement_timeout = '1ms'", "set local statement_timeout = '1ms'", "reset statement_timeout", "set statement_timeout = 0",
		"set work_mem = '33MB'", "set app.tenant = 'quick'", "show work_mem", "set lock_timeout = '1ms'", "set default_transaction_read_only = on", "set default_transaction_read_only = off",
		"set session characteristics as transaction isolation level serializable, read only, deferrable", "set session characteristics as transaction isolation level read committed, read write, not deferrable",
		"set idle_session_timeout = '1h'")
}

// identity changes who the client is in every form.
func (m maker) identity(int) string {
	role := m.of("pg_monitor", "pg_read_all_stats", "none", "nobody_at_all")
	return m.of("set role "+role, "set local role "+role, "select set_config('role', '"+role+"', false)", "select set_config('role', '"+role+"', true)", "reset role",
		"set session authorization pg_monitor", "set local session authorization pg_monitor", "set session authorization default", "reset session authorization",
		"select set_config('session_authorization', 'pg_monitor', false)", "begin; set role pg_monitor; rollback", "begin; set local session authorization pg_monitor; commit",
		"set role pg_monitor; set work_mem = '6MB'; reset role", "set log_min_duration_statement = 1000000", "reset all", "set application_name = 'x'",
		"select current_user, session_user, current_setting('role'), current_setting('is_superuser')", "select 1 from pg_authid limit 1",
		"set role pg_monitor; select pg_try_advisory_lock(1); reset role")
}

// savepoint sets in the middle of subtransactions.
func (m maker) savepoint(who int) string {
	set := m.of("set app.tenant = '"+mine(who)+"'", "set local app.tenant = 'local'", "set work_mem = '6MB'", "set timezone = 'Asia/Tokyo'", "reset work_mem", "set local datestyle = 'German'", "reset all")
	return m.of("begin; savepoint s; "+set+"; rollback to s; commit", "begin; savepoint s; "+set+"; release s; commit", "savepoint s", "savepoint t", set, set, "rollback to s", "release s", "rollback to t",
		"begin; "+set+"; savepoint s; set work_mem = '9MB'; rollback to s; "+set+"; commit", "begin\nsavepoint s\n"+set+"\nselect 1/0\nrollback to s\ncommit", "commit")
}

// number asks for what nextval gave.
func (m maker) number(who int) string {
	own := "public.own" + strconv.Itoa(who)
	return m.of("insert into "+own+" (n) values (1)", "select lastval()", "select currval('"+own+"_id_seq')", "select nextval('public.numbers') is not null", "discard sequences",
		`select U&"lastv\0061l"()`, "do $$begin perform lastval(); end$$", "insert into "+own+" (n) values (2) returning n", `\function 2559`, "insert into "+own+" (n) values (1); select lastval()")
}

// meaning prepares a text that means different things under different settings.
func (m maker) meaning(int) string {
	name := m.of("m0", "m1")
	text := m.of("select '2000-01-31 12:00'::timestamptz at time zone 'UTC'", "select '01/02/2003'::date - date '2000-01-01'", "select '1-2'::interval", "select count(*) from things where name = null",
		"select '{1,NULL}'::text[]", "select 'a\\\\b'", "select '<a/><b/>'::xml", "select '12.5'::money", "select current_schemas(false)", "select 1.5::float8 / 7")
	return m.of("set timezone = 'Asia/Tokyo'", "set timezone = 'UTC'", "set datestyle = 'ISO, DMY'", "set datestyle = 'ISO, MDY'", "set intervalstyle = 'sql_standard'", "reset intervalstyle",
		"set transform_null_equals = on", "set transform_null_equals = off", "set array_nulls = off", "set array_nulls = on", "set xmloption = document", "set xmloption = content",
		"set lc_monetary = 'C'", "set local timezone = 'Asia/Tokyo'",
		`\parse `+name+` `+text+` \bind - `+name+` \execute - 0 \sync`, `\parse `+name+` `+text+` \bind - `+name+` \execute - 0 \sync`, `\bind - `+name+` \execute - 0 \sync`, `\bind - `+name+` \execute - 0 \sync`,
		`\close statement `+name+` \sync`, `\parse - `+text+` \bind - - \execute - 0 \sync`)
}
