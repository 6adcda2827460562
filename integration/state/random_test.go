// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// maker makes up steps. All clients use the same names for what they make, and
// mark what is in it as their own.
type maker struct {
	*rand.Rand
	clients    int
	ways       []way
	parameters []parameter // all that PostgreSQL has, for anySetting
}

// steps returns n steps of clients in turn. A client mostly does several in a
// row, as real ones do.
func (m maker) steps(n int) (list []step) {
	who := 0
	for len(list) < n {
		if m.IntN(3) == 0 {
			who = m.IntN(m.clients)
		}
		for text := range strings.SplitSeq(m.text(who), "\n") {
			list = append(list, step{who: who, form: form(m.IntN(3)), text: text})
		}
	}
	return list
}

// text makes up what a client does next: a step, or several with a line each.
func (m maker) text(who int) string {
	sum := 0
	for _, w := range m.ways {
		sum += w.weight
	}
	n := m.IntN(sum)
	for _, w := range m.ways {
		if n -= w.weight; n < 0 {
			return w.text(m, who)
		}
	}
	return ""
}

func (m maker) of(list ...string) string { return list[m.IntN(len(list))] }

// mine is a word by which others' state is told from the client's own.
func mine(who int) string { return "of client " + strconv.Itoa(who) }

// values are settings, each with values of which most are valid.
var values = map[string][]string{
	"work_mem":                       {"'5MB'", "'6MB'", "7168", "'none'"},
	"search_path":                    {"public", "pg_catalog", `"$user", public`, "public, pg_temp", "nowhere, public", "''"},
	"timezone":                       {"'Asia/Tokyo'", "'Europe/Berlin'", "-7", "'Mars'"},
	"datestyle":                      {"'German'", "'SQL, MDY'", "'ISO, DMY'", "postgres"},
	"intervalstyle":                  {"iso_8601", "sql_standard"},
	"application_name":               {"'one'", "'two words'", `'quo"te'`},
	"statement_timeout":              {"60000", "'2min'", "0"},
	"bytea_output":                   {"escape", "hex"},
	"extra_float_digits":             {"0", "3"},
	"enable_seqscan":                 {"off", "on"},
	"default_transaction_deferrable": {"on", "off"},
	"client_encoding":                {"'LATIN1'", "'UTF8'", "'utf-8'"},
	"standard_conforming_strings":    {"off", "on"},
	"app.tenant":                     {"'MINE'", "'it''s MINE'", "''"},
	"app.other":                      {"'MINE'", "17"},
	"client_min_messages":            {"warning", "notice", "error"},
	"row_security":                   {"off", "on"},
	"transform_null_equals":          {"on", "off"},
}

// names are those of values, in one order.
var names = sorted(values)

func (m maker) setting(who int) string {
	name := m.of(names...)
	value := strings.ReplaceAll(m.of(values[name]...), "MINE", mine(who))
	literal := value
	if !strings.HasPrefix(value, "'") {
		literal = "'" + value + "'"
	}
	switch m.IntN(14) {
	case 0, 1, 2:
		return "set " + name + m.of(" = ", " to ") + value
	case 3:
		return "set session " + name + " = " + value
	case 4, 5:
		return "set local " + name + " = " + value
	case 6:
		return "reset " + name
	case 7:
		return "set " + name + " to default"
	case 8:
		return m.of("reset all", "set time zone 'Asia/Tokyo'", "set time zone default", "set names 'LATIN1'", "reset time zone")
	case 9:
		return fmt.Sprintf("select set_config('%s', %s, %s)", name, literal, m.of("false", "true"))
	case 10:
		return m.of("set session characteristics as transaction isolation level serializable",
			"set session characteristics as transaction isolation level read committed",
			"set default_transaction_isolation to default", "set default_transaction_isolation = 'repeatable read'")
	default:
		if strings.HasPrefix(name, "app.") {
			return "select coalesce(current_setting('" + name + "', true), '')"
		}
		return m.of("show "+name, "select current_setting('"+name+"', true)")
	}
}

// role changes who the client is.
func (m maker) role(int) string {
	return m.of("set role pg_monitor", "set role pg_read_all_stats", "set local role pg_monitor", "reset role", "set role none",
		"set session authorization pg_monitor", "set session authorization default", "reset session authorization", "set role nobody_at_all")
}

// looks asks for state of all kinds at once.
func (m maker) look(int) string {
	return m.of(
		"select current_user, session_user, current_setting('role')",
		"select "+settingsList(),
		"select '2000-01-31 12:00+00'::timestamptz, '1 day 2 hours'::interval, 'x'::bytea, 1::float8 / 3",
		"select count(*) from pg_catalog.pg_locks where locktype = 'advisory' and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())",
		"select name, statement from pg_catalog.pg_prepared_statements where from_sql order by 1",
		"select name, statement, is_holdable from pg_catalog.pg_cursors where name <> '' order by 1",
		"select relname from pg_catalog.pg_class where relnamespace = pg_catalog.pg_my_temp_schema() order by 1",
		"select pg_catalog.current_schemas(false)", "show transaction_isolation", "select 'a\\b'",
	)
}

// settingsList is all settings as columns.
func settingsList() string {
	var columns []string
	for _, name := range names {
		if !strings.Contains(name, ".") {
			columns = append(columns, "pg_catalog.current_setting('"+name+"')")
		}
	}
	return strings.Join(columns, ", ")
}

func (m maker) block(int) string {
	return m.of("begin", "begin", "start transaction", "begin isolation level repeatable read", "begin read only",
		"commit", "commit", "commit", "end", "rollback", "rollback", "abort", "commit and chain", "rollback and chain",
		"savepoint s", "savepoint s", "rollback to s", "rollback to savepoint s", "release s", "set transaction isolation level serializable",
		`\parse - begin \bind - - \execute - 0 \sync`, `\parse - commit \bind - - \execute - 0 \sync`, `\parse - rollback \bind - - \execute - 0 \sync`)
}

// rows are in a table of the client's own, so that nobody waits for anybody.
func (m maker) row(who int) string {
	table := "public.own" + strconv.Itoa(who)
	return m.of(
		"insert into "+table+" (n) values (1), (2)", "update "+table+" set n = n + 1", "delete from "+table+" where n > 5",
		"select count(*), sum(n) from "+table, "select * from things order by id limit 2", "insert into "+table+" values (1), (1)",
		"select pg_catalog.repeat('x', 20000)", "select i from pg_catalog.generate_series(1, 300) i", "explain (costs off) select 1",
		"with w as (insert into "+table+" (n) values (7) returning n) select * from w", "", ";", "/* nothing */ select 1; -- but this",
	)
}

func (m maker) mistake(int) string {
	return m.of("select 1/0", "selekt", "select nowhere", "select * from missing", "select 'open", "select 1; select 1/0; select 2", "rollback to nothing", "fetch nothing")
}

func (m maker) prepare(who int) string {
	return m.of("prepare p as select '"+mine(who)+"'", "prepare p (int) as select $1, '"+mine(who)+"'", "prepare q as select * from things",
		"execute p", "execute p (1)", "execute q", "deallocate p", "deallocate q", "deallocate all", "deallocate prepare p")
}

// statement is about the protocol's prepared statements.
func (m maker) statement(who int) string {
	name := m.of("s0", "s1", "-")
	return m.of(
		`\parse `+name+` select '`+mine(who)+`' \sync`,
		`\parse `+name+` select $1::text, '`+mine(who)+`' \describe statement `+name+` \sync`,
		`\parse `+name+` select * from things where id = $1::int \bind - `+name+` 1 \execute - 0 \sync`,
		`\bind - `+name+` \execute - 0 \sync`, `\bind - `+name+` 1 \describe portal - \execute - 0 \sync`,
		`\bind - `+name+` one \execute - 0 \sync`, `\describe statement `+name+` \sync`,
		`\close statement `+name+` \sync`, `\close statement `+name+` \parse `+name+` select 'new' \bind - `+name+` \execute - 0 \sync`,
		"deallocate "+strings.ReplaceAll(name, "-", "s0"), `\parse `+name+` select nowhere \sync`,
	)
}

// portal is about portals, also in groups that stay open.
func (m maker) portal(who int) string {
	return m.of(
		`\parse - select '`+mine(who)+`', i from generate_series(1, 5) i \bind p - \execute p 2 \flush`,
		`\parse - select '`+mine(who)+`', i from generate_series(1, 5) i \bind p - \describe portal p \execute p 1 \sync`,
		`\execute p 2 \flush`, `\execute p 0 \sync`, `\describe portal p \sync`, `\close portal p \sync`, `\sync`, `\sync`,
		`\parse - select 1/0 \bind p - \execute p 0 \flush`, `\bind p s0 \execute p 1 \flush`,
	)
}

func (m maker) cursor(who int) string {
	return m.of("declare c cursor for select '"+mine(who)+"', i from generate_series(1, 5) i",
		"declare c cursor with hold for select '"+mine(who)+"', i from generate_series(1, 5) i",
		"fetch 2 from c", "fetch all from c", "move 1 from c", "close c", "close all",
		"begin; declare c cursor with hold for select '"+mine(who)+"'; commit")
}

func (m maker) temporary(who int) string {
	return m.of("create temp table t as select '"+mine(who)+"' as whose", "create temporary table if not exists t (whose text)",
		"create temp table t (whose text) on commit drop", "create temp table t (whose text) on commit delete rows",
		"insert into t values ('"+mine(who)+"')", "select * from t", "select count(*) from pg_temp.t", "drop table t", "drop table if exists t",
		"select '"+mine(who)+"' as whose into temp t", "alter table t add column n int")
}

func (m maker) lock(int) string {
	key := m.of("1", "2", "3, 4")
	return "select " + m.of("pg_try_advisory_lock("+key+")", "pg_try_advisory_lock_shared("+key+")", "pg_advisory_unlock("+key+")", "pg_advisory_unlock("+key+")",
		"pg_advisory_unlock_shared("+key+")", "pg_advisory_unlock_all()", "pg_try_advisory_xact_lock("+key+")", "pg_try_advisory_xact_lock_shared("+key+")")
}

func (m maker) listen(who int) string {
	channel := m.of("news", "weather", `"News"`)
	return m.of("listen "+channel, "listen "+channel, "unlisten "+channel, "unlisten *",
		"notify "+channel+", 'from "+strconv.Itoa(who)+" "+strconv.Itoa(m.IntN(1000))+"'", "notify "+channel,
		"select pg_catalog.pg_notify('news', '"+strconv.Itoa(m.IntN(1000))+"')")
}

func (m maker) copy(who int) string {
	table := "public.own" + strconv.Itoa(who)
	return m.of(`\query copy `+table+` (n) from stdin \data 5 \data 6 \done`, `\query copy `+table+` (n) from stdin \data five \done`,
		`\query copy `+table+` (n) from stdin \data 5 \fail no`, `\query copy `+table+` (n) to stdout`, `\query copy (select 1/0) to stdout`,
		`\parse in copy `+table+` (n) from stdin \bind - in \execute - 0 \data 8 \done \sync \close statement in \sync`, `\parse - copy (select 1) to stdout \bind - - \execute - 0 \sync`)
}

func (m maker) sequence(int) string {
	return m.of("begin; select pg_catalog.nextval('public.numbers'); select pg_catalog.currval('public.numbers'), pg_catalog.lastval(); commit",
		"select nextval('public.numbers')", "select currval('public.numbers')", "select lastval()", "discard sequences")
}

func (m maker) discard(int) string {
	return m.of("discard all", "discard all", "discard plans", "discard temp",
		"select pg_advisory_unlock_all(); close all; unlisten *; reset all", "reset session authorization; unlisten *; close all; deallocate all; discard temp; discard plans")
}

// several is some of the others in one query or one pipeline.
func (m maker) several(who int) string {
	var parts []string
	pipeline := m.IntN(2) == 0
	for range 2 + m.IntN(3) {
		text := m.of(m.setting(who), m.setting(who), m.block(who), m.look(who), m.row(who), m.mistake(who), m.prepare(who), m.lock(who), m.statement(who), m.statement(who), m.portal(who))
		messages := strings.HasPrefix(text, `\`)
		open := messages && !strings.HasSuffix(text, `\sync`)
		if open || messages && !pipeline || strings.Contains(text, "--") {
			continue
		}
		if pipeline && !messages {
			text = m.of(`\query `+text, `\parse - `+text+` \bind - - \execute - 0 \sync`)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "select 1"
	}
	if pipeline {
		return strings.Join(parts, " ")
	}
	return strings.Join(parts, "; ")
}
