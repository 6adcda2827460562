// SPDX-License-Identifier: Apache-2.0

package integration_test

import "strings"

// Types by their OIDs (PostgreSQL: pg_type.dat).
const (
	int4 = 23
	text = 25
)

// extendedScripts are of the extended query protocol.
var extendedScripts = []script{
	{name: "all in one group", steps: []step{
		group(1, parse("", "select $1::int + 1, $2::text", int4, text), bind("", "", "41", "x"), describePortal(""), execute("", 0), endGroup),
		group(1, query("select 'after'")),
	}},
	{name: "parse in one group and bind in another", steps: []step{
		group(1, parse("", "select $1::text || '!'"), describe(""), endGroup),
		group(1, once("", "a"), endGroup),
		group(1, bind("", "", "b"), describePortal(""), execute("", 0), endGroup),
	}},
	{name: "named across groups", steps: []step{
		group(1, parse("s0", "select $1::text || '0'"), describe("s0"), endGroup),
		group(1, parse("s1", "select $1::int * 2, 'one'"), describe("s1"), endGroup),
		group(1, once("s0", "a"), endGroup), group(1, once("s1", "4"), endGroup), group(1, once("s0", "b"), once("s1", "5"), endGroup),
		group(1, describe("s0"), describe("s1"), endGroup),
	}},
	{name: "binary values and results", steps: []step{
		group(1, parse("s0", "select $1::int4, $2::bytea, null::int", int4, 17), describe("s0"), endGroup),
		group(1, inBinary("s0", []byte{0, 0, 1, 0}, []byte{0, 1, 255}, 1), execute("", 0), endGroup),
		group(1, inBinary("s0", []byte{0, 1}, []byte{}, 1), execute("", 0), endGroup),
		group(1, inBinary("s0", nil, nil, 0), describePortal(""), execute("", 0), endGroup),
	}},
	{name: "nothing but Sync", steps: []step{group(1, endGroup), group(3, endGroup, endGroup, endGroup), group(1, flush, flush, endGroup), group(1, query("select 1"))}},
	{name: "an empty statement", steps: []step{
		group(1, parse("", ""), describe(""), bind("", ""), describePortal(""), execute("", 0), endGroup),
		group(1, parse("s0", " -- nothing"), endGroup), group(1, once("s0"), endGroup),
	}},
	{name: "a syntax error skips to Sync", steps: []step{
		group(1, parse("s0", "selekt"), bind("", "s0"), describePortal(""), execute("", 0), endGroup),
		group(1, once("s0"), endGroup),
		group(1, parse("s0", "select 7"), once("s0"), endGroup),
	}},
	{name: "two statements in one Parse", steps: []step{group(1, parse("s0", "select 1; select 2"), endGroup), group(1, parse("", "select 1; select 2"), endGroup), group(1, once(""), endGroup)}},
	{name: "an error when it runs", steps: []step{
		group(1, parse("s0", "select 10 / $1::int"), endGroup),
		group(1, once("s0", "5"), once("s0", "0"), once("s0", "2"), endGroup),
		group(1, once("s0", "2"), endGroup),
	}},
	{name: "values that do not fit", steps: []step{
		group(1, parse("s0", "select $1::int"), endGroup),
		group(1, once("s0", "one"), endGroup), group(1, once("s0"), endGroup), group(1, once("s0", "1", "2"), endGroup), group(1, once("s0", "1"), endGroup),
		group(1, parse("", "select $1::int"), endGroup), group(1, once("", "1", "2"), endGroup),
	}},
	{name: "several Syncs in flight with errors among them", steps: []step{
		group(6,
			parse("s0", "select $1::int"), once("s0", "1"), endGroup,
			parse("s1", "selekt"), once("s1"), endGroup,
			once("s1"), endGroup,
			once("s0", "x"), once("s0", "2"), endGroup,
			parse("s1", "select 'now it is good'"), once("s1"), endGroup,
			once("s0", "3"), once("s1"), endGroup),
		group(1, once("s0", "4"), once("s1"), endGroup),
	}},
	{name: "an error takes back what follows in its group only", steps: []step{
		group(1, parse("s0", "select 'zero'"), endGroup),
		group(3,
			query("select 1/0"),
			parse("", "selekt"), forget("s0"), parse("s1", "select 'never'"), endGroup,
			once("s0"), endGroup),
		group(1, once("s1"), endGroup), group(1, once("s0"), endGroup),
		group(2, parse("", "selekt"), parse("s0", "select 'twice'"), endGroup, once("s0"), endGroup),
	}},
	{name: "a group is one transaction", setup: freshItems, steps: []step{
		group(1, parse("s0", "insert into items values ($1, 'x')"), once("s0", "50"), once("s0", "51"), once("s0", "50"), endGroup),
		group(1, query("select count(*) from items")),
		group(2, once("s0", "60"), endGroup, once("s0", "60"), endGroup),
		group(1, query("select count(*) from items")),
	}},
	{name: "a block over groups", setup: freshItems, steps: []step{
		group(1, parse("", "begin"), once(""), endGroup),
		group(1, parse("s0", "update items set note = $1 where id = 1 returning note"), once("s0", "a"), endGroup),
		group(1, once("s0", "b"), endGroup),
		group(1, parse("", "commit"), once(""), endGroup),
		group(1, once("s0", "c"), endGroup),
	}},
	{name: "begin and work in one group", setup: freshItems, steps: []step{
		group(1, parse("", "begin"), once(""), parse("", "delete from items where id = $1"), once("", "1"), endGroup),
		group(1, query("select count(*) from items")), group(1, query("rollback")), group(1, query("select count(*) from items")),
	}},
	{name: "a block in a pipeline", setup: freshItems, steps: []step{
		group(4, parse("b", "begin"), once("b"), endGroup, parse("c", "commit"), endGroup, query("insert into items values (70, 'x')"), once("c"), endGroup),
		group(5, once("b"), endGroup, query("insert into items values (71, 'x')"), query("insert into items values (71, 'x')"), once("c"), endGroup, query("select count(*) from items")),
	}},
	{name: "a failed block", steps: []step{
		group(1, query("begin")),
		group(1, parse("s0", "selekt"), endGroup),
		group(1, parse("s0", "select 1"), endGroup), group(1, once("s0"), endGroup), group(1, parse("s0", "rollback"), endGroup),
		group(1, parse("s1", "select 2"), endGroup), group(1, describe("s0"), endGroup),
		group(1, once("s0"), endGroup), group(1, once("s0"), endGroup), group(1, parse("s1", "select 3"), once("s1"), endGroup),
	}},
	{name: "commit and chain", steps: []step{
		group(1, query("begin isolation level repeatable read")),
		group(1, parse("s0", "commit and chain"), once("s0"), endGroup), group(1, query("show transaction_isolation")),
		group(1, once("s0"), parse("", "rollback"), once(""), endGroup), group(1, query("show transaction_isolation")),
	}},
	{name: "Flush without Sync", steps: []step{
		upTo('1', parse("s0", "select generate_series(1, 5)"), flush),
		upTo('T', bind("p", "s0"), describePortal("p"), flush),
		upTo('s', execute("p", 2), flush),
		upTo('s', execute("p", 2), flush),
		upTo('C', execute("p", 2), flush),
		group(1, forgetPortal("p"), endGroup),
		group(1, execute("p", 1), endGroup),
	}},
	{name: "Flush and an error", steps: []step{
		upTo('E', parse("", "selekt"), flush),
		group(1, parse("", "select 1"), once(""), flush, endGroup),
		group(1, query("select 2")),
	}},
	{name: "portals with row limits", steps: []step{
		group(1, query("begin")),
		group(1, parse("s0", "select generate_series(1, $1::int)"), bind("a", "s0", "5"), bind("b", "s0", "3"), execute("a", 2), endGroup),
		group(1, execute("b", 2), execute("a", 2), endGroup), group(1, execute("a", 0), execute("b", 0), execute("b", 0), endGroup),
		group(1, bind("a", "s0", "1"), endGroup), group(1, query("rollback")),
		group(1, execute("a", 1), endGroup),
	}},
	{name: "a portal ends with its transaction", steps: []step{
		group(1, parse("s0", "select generate_series(1, 5)"), bind("a", "s0"), execute("a", 2), endGroup),
		group(1, execute("a", 2), endGroup), group(1, describePortal("a"), endGroup), group(1, forgetPortal("a"), endGroup), group(1, describePortal(""), endGroup),
	}},
	{name: "an unnamed portal with a row limit", steps: []step{
		group(1, parse("", "select generate_series(1, 5)"), bind("", ""), execute("", 2), execute("", 2), execute("", 2), execute("", 2), endGroup),
	}},
	{name: "rows that return after an update", setup: freshItems, steps: []step{
		group(1, query("begin")), group(1, parse("s0", "update items set note = 'x' where id <= $1 returning id"), bind("u", "s0", "4"), execute("u", 2), endGroup),
		group(1, execute("u", 0), endGroup), group(1, query("commit")),
	}},
	{name: "reported settings", steps: []step{
		group(1, parse("s0", "set application_name = 'extended'"), once("s0"), endGroup),
		group(1, query("show application_name")),
		group(2, parse("", "set datestyle = 'SQL, DMY'"), once(""), endGroup, query("select date '2026-02-01'")),
		group(1, query("select date '2026-02-01'")),
	}},
	{name: "long statements and values", steps: []step{
		group(1, parse("", "select length($1), '"+strings.Repeat("y", 100_000)+"'"), once("", strings.Repeat("z", 1_000_000)), endGroup),
		group(1, parse("s0", "select $1::text, '"+strings.Repeat("y", 200_000)+"'"), endGroup),
		group(1, once("s0", strings.Repeat("z", 100_000)), once("s0", "short"), endGroup),
		group(1, once("s0", "again"), endGroup),
		group(1, once("s0", strings.Repeat("z", 400_000)), endGroup),
	}},
	{name: "names longer than a buffer", steps: []step{ // PostgreSQL takes an Execute of 10,000 bytes at most
		group(1, parse(strings.Repeat("s", 9_900), "select length($1::text)"), bind(strings.Repeat("p", 9_900), strings.Repeat("s", 9_900), strings.Repeat("v", 100_000)), execute(strings.Repeat("p", 9_900), 0), endGroup),
		group(1, parse(strings.Repeat("t", 70_000), "select $1::text"), bind("", strings.Repeat("t", 70_000), "short"), execute("", 0), endGroup),
		group(1, bind(strings.Repeat("p", 17_000), "nosuch"), endGroup), group(1, once(strings.Repeat("s", 9_900), "after"), endGroup),
	}},
	{name: "a thousand executions in one write", steps: []step{
		group(1, parse("s0", "select $1::text"), endGroup),
		group(1, repeat(1000, once("s0", strings.Repeat("v", 100))), endGroup),
		group(300, repeat(300, join(once("s0", "w"), endGroup))),
	}},
	{name: "notices", steps: []step{
		group(1, parse("s0", "do $$ begin raise notice 'hey'; end $$"), once("s0"), once("s0"), endGroup),
	}},
	{name: "an unknown message", differs: "weir ends what is not the protocol itself, in its own words", steps: []step{
		group(1, raw{'!', 0, 0, 0, 4}),
	}},
}

func repeat(n int, part messages) (all messages) {
	for range n {
		all = append(all, part...)
	}
	return all
}
