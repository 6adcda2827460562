// SPDX-License-Identifier: Apache-2.0

package integration_test

import "strings"

const freshItems = `drop table if exists items; create table items (id int primary key, name text not null, note text);
	insert into items select i, 'item ' || i, null from generate_series(1, 20) i`

// named is a client that says who it is; another is called weir.
const named = "&application_name=script"

// simpleScripts are of the simple query protocol: each string is one Query.
var simpleScripts = []script{
	simple("rows and no rows", "select 1, 'two', null, 3.5::numeric", "select 1 where false", "select"),
	simple("empty queries", "", ";", " ; ; ", "-- a comment", "select 1;"),
	simple("several statements", "select 1; select 2 as b; ; select 'three'"),
	simple("an error between statements", "select 1; select 1/0; select 2", "select 3"),
	simple("a syntax error with its position", "select 1; selekt 2", "select * from", "select 'äöü€', nonsense"),
	simple("an error with everything in it",
		`do $$ begin raise exception 'mess' using errcode = 'WX001', detail = 'det', hint = 'hin', column = 'col', constraint = 'con', datatype = 'dat', table = 'tab', schema = 'sch'; end $$`),
	simple("an error in a function", `create or replace function failing() returns int language plpgsql as $$ begin return 1/0; end $$; select failing()`),
	simple("notices", `do $$ begin raise notice 'one'; raise warning 'two'; raise info 'three'; end $$`, "commit", "drop table if exists nowhere"),
	simple("a block", "begin", "select 1", "commit", "select 2"),
	simple("a block in one query", "begin; select 1; commit; select 2"),
	simple("a failed block", "begin", "select 1/0", "select 1", "selekt", "rollback", "select 2"),
	simple("a failed block that commits", "begin", "select 1/0", "commit", "select 2"),
	simple("commit and chain", "begin isolation level serializable", "select 1", "commit and chain", "show transaction_isolation", "rollback and chain", "show transaction_isolation", "commit"),
	simple("chain without a block", "commit and chain", "rollback and chain", "select 1"),
	simple("savepoints", "begin", "savepoint a", "select 1/0", "rollback to a", "select 1", "release a", "commit"),
	simple("an implicit block that opens a block", "select 1; begin; select 2", "select 3", "rollback"),
	simple("a begin within a block", "begin", "begin", "commit", "rollback"),
	simple("reported settings follow the client", "set application_name = 'one'; set datestyle = 'German'", "show application_name", "select date '2026-01-02'",
		"set timezone = 'Asia/Tokyo'", "select timestamptz '2026-01-01 00:00Z'"),
	{
		name: "RESET", as: named,
		steps: queries("set application_name = 'one'", "reset application_name", "show application_name"),
	},
	{
		name: "DISCARD ALL and settings", as: named + "&timezone=Asia/Tokyo",
		steps: queries("set application_name = 'one'", "set timezone = 'UTC'", "discard all", "show application_name", "show timezone", "discard all", "show datestyle"),
	},
	{
		name: "a setting that is rolled back", as: named,
		steps: queries("begin", "set application_name = 'inside'", "rollback", "show application_name", "select 1"),
	},
	simple("a setting of one transaction", "begin", "set local timezone = 'Asia/Tokyo'", "show timezone", "commit", "show timezone"),
	simple("a client encoding", "set client_encoding = 'LATIN1'", "select 'x' || chr(228)", "select nonsense_ä", "reset client_encoding", "select chr(228)"),
	simple("a cursor in a block", "begin", "declare c cursor for select * from generate_series(1, 10)", "fetch 3 from c", "move 2 in c", "fetch all from c", "close c", "fetch c", "rollback"),
	simple("prepare and execute in a block", "begin", "prepare p (int) as select $1 + 1", "execute p(41)", "deallocate p", "execute p(1)", "rollback"),
	simple("explain", "explain (costs off) select 1"),
	simple("a long query", "select length('"+strings.Repeat("x", 300_000)+"')", "select 1"),
	simple("long rows", "select repeat('x', 300000), repeat('y', 10)", "select repeat(i::text, 1000) from generate_series(1, 300) i"),
	simple("many rows", "select i, 'row ' || i from generate_series(1, 20000) i"),
	simple("many columns", "select "+strings.TrimSuffix(strings.Repeat("1 as c,", 1600), ",")),
	{
		name: "data that changes", setup: freshItems,
		steps: queries("insert into items values (21, 'x') returning *", "insert into items values (21, 'x')", "insert into items values (22, null)",
			"update items set note = 'n' where id < 3", "delete from items where id > 19 returning id", "select count(*) from items", "truncate items", "select * from items"),
	},
	{
		name: "several queries in one write", setup: freshItems,
		steps: []step{
			group(5, query("select 1"), query("select 1/0"), query("begin; insert into items values (30, 'x')"), query("select count(*) from items"), query("rollback")),
			group(3, query("select count(*) from items"), query(""), query("select 2")),
		},
	},
	{
		name:  "notice and error in one write",
		steps: []step{group(3, query("do $$ begin raise notice 'a'; perform 1/0; end $$"), query("select 1"), query("do $$ begin raise notice 'b'; end $$"))},
	},
}

// simple is a script of queries, each of which waits for the one before.
func simple(name string, sql ...string) script { return script{name: name, steps: queries(sql...)} }

func queries(sql ...string) []step {
	steps := make([]step, len(sql))
	for i, text := range sql {
		steps[i] = group(1, query(text))
	}
	return steps
}
