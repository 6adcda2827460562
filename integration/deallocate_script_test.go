// SPDX-License-Identifier: Apache-2.0

package integration_test

// deallocateScripts name protocol-level statements in SQL, as psycopg does.
var deallocateScripts = []script{
	{name: "DEALLOCATE in a simple query", steps: []step{
		group(1, parse("s0", "select 0"), parse("s1", "select 1"), endGroup), group(1, query("deallocate s0")), group(1, once("s0"), endGroup), group(1, once("s1"), endGroup),
		group(1, parse("s0", "select 'anew'"), endGroup), group(1, once("s0"), endGroup),
		group(1, query("deallocate prepare s0")), group(1, query("deallocate s0")), group(1, query("DEALLOCATE S1;")), group(1, query("deallocate s1")),
	}},
	{name: "DEALLOCATE of a quoted name", steps: []step{
		group(1, parse("My Name", "select 0"), endGroup), group(1, query(`deallocate my name`)), group(1, query(`deallocate "my name"`)),
		group(1, query(`deallocate "My Name"`)), group(1, once("My Name"), endGroup),
	}},
	{name: "DEALLOCATE in a pipeline", steps: []step{
		group(1, parse("s0", "select 0"), endGroup),
		group(4, once("s0"), endGroup, query("deallocate s0"), parse("s0", "select 'anew'"), once("s0"), endGroup, once("s0"), endGroup),
	}},
	{name: "DEALLOCATE in the extended protocol", steps: []step{
		group(1, parse("s0", "select 0"), parse("s1", "select 1"), endGroup),
		group(1, parse("", "deallocate s0"), once(""), endGroup), group(1, once("s0"), endGroup), group(1, once("s1"), endGroup),
		group(1, parse("s0", "select 'anew'"), once("s0"), parse("", "deallocate s0"), once(""), parse("s0", "select 'again'"), once("s0"), endGroup),
		group(1, once("s0"), endGroup),
		group(1, parse("", "deallocate nobody"), once(""), endGroup),
	}},
	{name: "DEALLOCATE in a block", steps: []step{
		group(1, parse("s0", "select 0"), endGroup), group(1, query("begin")), group(1, query("deallocate s0")), group(1, once("s0"), endGroup),
		group(1, query("deallocate s1")), group(1, query("rollback")), group(1, once("s0"), endGroup),
	}},
	{name: "DEALLOCATE in a failed block", steps: []step{
		group(1, parse("s0", "select 0"), endGroup), group(1, query("begin")), group(1, query("select 1/0")), group(1, query("deallocate s0")),
		group(1, query("rollback")), group(1, once("s0"), endGroup),
	}},
	{name: "DEALLOCATE ALL", steps: []step{
		group(1, parse("s0", "select 0"), parse("s1", "select 1"), endGroup), group(1, query("deallocate all")), group(1, once("s0"), endGroup), group(1, once("s1"), endGroup),
		group(1, parse("s0", "select 'anew'"), once("s0"), endGroup), group(1, query("DEALLOCATE PREPARE ALL")), group(1, once("s0"), endGroup),
	}},
	{name: "DEALLOCATE ALL and prepare again in one write", steps: []step{
		group(1, parse("s0", "select 0"), parse("s1", "select 1"), endGroup),
		group(2, query("deallocate all"), parse("s0", "select 'anew'"), once("s0"), endGroup), group(1, once("s1"), endGroup), group(1, once("s0"), endGroup),
		group(2, parse("", "deallocate all"), once(""), endGroup, parse("s0", "select 'again'"), once("s0"), endGroup), group(1, once("s0"), endGroup),
	}},
	{name: "DEALLOCATE ALL and prepare again in one group", steps: []step{
		group(1, parse("s0", "select 0"), endGroup),
		group(1, parse("", "deallocate all"), once(""), parse("s0", "select 'again'"), once("s0"), endGroup), group(1, once("s0"), endGroup),
	}},
	{name: "DEALLOCATE ALL that fails", steps: []step{
		group(1, parse("s0", "select 0"), endGroup),
		group(1, query("begin")), group(1, query("select 1/0")), group(1, query("deallocate all")), group(1, query("rollback")), group(1, once("s0"), endGroup),
	}},
	{name: "DEALLOCATE ALL as a named statement", steps: []step{
		group(1, parse("s0", "deallocate all"), endGroup), group(1, once("s0"), endGroup), group(1, once("s0"), endGroup),
		group(1, parse("s0", "deallocate all"), parse("s1", "select 1"), once("s1"), once("s0"), once("s1"), endGroup),
	}},
	{name: "DISCARD ALL and prepare again in one write", steps: []step{
		group(1, parse("s0", "select 0"), parse("s1", "select 1"), endGroup),
		group(2, query("discard all"), parse("s0", "select 'anew'"), once("s0"), endGroup), group(1, once("s1"), endGroup), group(1, once("s0"), endGroup),
		group(1, query("begin")), group(1, query("discard all")), group(1, query("rollback")), group(1, once("s0"), endGroup),
	}},
	{name: "DISCARD ALL in the extended protocol", steps: []step{
		group(1, parse("s0", "select 0"), endGroup),
		group(2, parse("", "discard all"), once(""), endGroup, parse("s0", "select 'anew'"), once("s0"), endGroup), group(1, once("s0"), endGroup),
		group(1, query("discard plans")), group(1, once("s0"), endGroup),
	}},
	{name: "DEALLOCATE ALL among other statements", steps: []step{
		group(1, parse("s0", "select 0"), endGroup), group(1, query("select 1; deallocate all; select 2")), group(1, once("s0"), endGroup),
		group(1, parse("s0", "select 'anew'"), once("s0"), endGroup), group(1, once("s0"), endGroup),
	}},
	{name: "SQL-level statements", steps: []step{
		group(1, query("begin")), group(1, query("prepare sql_level as select 'sql'")), group(1, once("sql_level"), endGroup), group(1, describe("sql_level"), endGroup),
		group(1, query("deallocate sql_level")), group(1, once("sql_level"), endGroup), group(1, query("rollback")),
	}},
	{name: "EXECUTE of a protocol-level statement", setup: freshItems, steps: []step{
		group(1, parse("s0", "select $1::int + 1"), parse("s1", "select name from items where id = $1"), endGroup),
		group(1, query("execute s0 (41)")), group(1, query("explain (verbose, format json) execute s1 (NULL)")), group(1, query("create temp table made as execute s0 (1); drop table made")),
		group(1, parse("", "explain (verbose, costs off) execute s1 (NULL)"), bind("", ""), describePortal(""), execute("", 0), endGroup),
		group(1, parse("e", "execute s0 (1)"), describe("e"), once("e"), endGroup), group(1, once("e"), endGroup),
		group(1, query("execute nobody")), group(1, once("e"), forget("s0"), once("e"), endGroup), group(1, query("execute s0 (1)")),
		group(1, parse("s0", "select 'anew'"), endGroup), group(1, query("execute s0")), group(1, once("e"), endGroup),
		group(2, forget("s0"), parse("s0", "select 'again'"), endGroup, query("execute s0")), group(3, parse("s2", "selekt"), endGroup, query("execute s2"), query("execute s0; select 1/0")),
	}},
	{name: "EXECUTE of a protocol-level statement in a block", setup: freshItems, steps: []step{
		group(1, parse("s0", "select 0"), parse("p", "select i from generate_series(1, 5) i"), endGroup), group(1, query("begin")), group(1, query("execute s0")), group(1, once("s0"), endGroup), group(1, query("execute nobody")), group(1, query("execute s0")), group(1, query("rollback")),
		group(1, query("begin")), group(1, parse("", "execute p"), bind("c", ""), execute("c", 2), endGroup), group(1, forget("p"), execute("c", 2), endGroup), group(1, query("commit")),
	}},
	{name: "EXECUTE of a statement whose table is gone", setup: freshItems, steps: []step{
		group(1, parse("s0", "select name from items where id = 1"), once("s0"), endGroup), group(1, query("drop table items")), group(1, query("execute s0")), group(2, query("execute s0"), query("select 1")), group(1, query("select 2")),
	}},
	{name: "DEALLOCATE among other statements", steps: []step{
		group(1, parse("s0", "select 0"), parse("s1", "select 1"), endGroup), group(1, query("select 1; deallocate s0; select 2")), group(1, once("s0"), endGroup),
		group(1, query("deallocate s1; select 1/0")), group(1, once("s1"), endGroup), group(1, query("deallocate s1; select 5")),
		group(1, parse("s0", "select 0"), parse("s1", "select 1"), endGroup), group(1, query("deallocate s0; select 1/0; deallocate s1")), group(1, once("s0"), endGroup), group(1, once("s1"), endGroup),
		group(1, parse("d", "deallocate s1"), once("d"), endGroup), group(1, once("d"), endGroup), group(1, parse("s1", "select 1"), endGroup), group(1, bind("", "d"), forget("s1"), execute("", 0), endGroup),
	}},
	{
		name: "the catalog of prepared statements", steps: []step{group(1, parse("s0", "select 0"), endGroup), group(1, query("select name from pg_prepared_statements"))},
		differs: "SQL sees the upstream's names, and the other clients' statements",
	},
}
