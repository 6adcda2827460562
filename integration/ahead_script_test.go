// SPDX-License-Identifier: Apache-2.0

package integration_test

// aheadScripts are groups that are sent ahead, of which earlier ones fail: what
// later ones find must be what PostgreSQL alone would have left.
var aheadScripts = []script{
	{name: "unnamed statements ahead of a failure", steps: []step{
		group(1, parse("", "select 'A'"), endGroup),
		group(3, bind("", "nosuch"), parse("", "select 'B'"), endGroup, parse("", "select 'C'"), endGroup, once(""), endGroup),
		group(1, once(""), endGroup),
		group(3, parse("", "selekt"), endGroup, bind("", "nosuch"), parse("", "select 'D'"), endGroup, once(""), endGroup),
		group(3, parse("", "select 'E'"), endGroup, bind("", "nosuch"), forget(""), endGroup, once(""), endGroup),
		group(3, bind("", "nosuch"), query("select 1"), endGroup, once(""), endGroup, describe(""), endGroup),
	}},
	{name: "an unnamed statement that is skipped twice", steps: []step{
		group(1, parse("", "select 'A'"), endGroup),
		group(3, bind("", "nosuch"), parse("", "select 'B'"), endGroup, bind("", "nosuch"), parse("", "select 'C'"), endGroup, once(""), endGroup),
		group(2, parse("", "select 'D'"), bind("", "nosuch"), parse("", "select 'E'"), endGroup, once(""), endGroup),
	}},
	{name: "a name that fails and is parsed again", steps: []step{
		group(2, bind("", "nosuch"), parse("s0", "select 'A'"), endGroup, parse("s0", "select 'B'"), endGroup), group(1, once("s0"), endGroup),
		group(2, parse("s1", "select 'A'"), endGroup, parse("s1", "select 'A'"), endGroup),
		group(3, bind("", "nosuch"), parse("s2", "select 'B'"), endGroup, once("s2"), endGroup, parse("s2", "select 'B'"), once("s2"), endGroup),
	}},
	{name: "a name that is parsed and closed, both skipped", steps: []step{
		group(2, bind("", "nosuch"), parse("s0", "select 'A'"), endGroup, bind("", "nosuch"), forget("s0"), endGroup), group(1, once("s0"), endGroup),
		group(1, parse("s0", "select 'B'"), endGroup),
		group(3, bind("", "nosuch"), forget("s0"), parse("s0", "select 'C'"), endGroup, once("s0"), endGroup, forget("s0"), endGroup), group(1, once("s0"), endGroup),
		group(1, parse("s1", "select 'D'"), endGroup),
		group(3, bind("", "nosuch"), forget("s1"), endGroup, parse("s1", "select 'E'"), endGroup, once("s1"), endGroup),
	}},
	{name: "a known statement in a block that fails ahead of it", steps: []step{
		group(1, parse("s0", "select 'A'"), once("s0"), forget("s0"), endGroup),
		group(4, query("begin"), query("select 1/0"), parse("s0", "select 'A'"), endGroup, query("rollback")), group(1, once("s0"), endGroup),
		group(3, query("begin"), query("select 1/0"), parse("s0", "select 'A'"), once("s0"), endGroup),
		group(2, query("rollback"), parse("s0", "select 'A'"), once("s0"), endGroup),
		group(1, parse("r", "rollback"), once("r"), parse("s1", "select 'A'"), endGroup),
	}},
	{name: "a block that fails, its end and a known statement in one group", steps: []step{
		group(1, parse("s0", "select 'A'"), once("s0"), forget("s0"), parse("r", "rollback"), endGroup),
		group(1, query("begin")), group(1, query("select 1/0")),
		group(1, once("r"), parse("s0", "select 'A'"), once("s0"), endGroup),
	}},
	{name: "a query in a group that fails", steps: []step{
		group(1, parse("s0", "select 0"), endGroup),
		group(2, parse("", "select 1"), execute("p", 0), query("execute s0"), endGroup, query("select 3")),
		group(2, parse("", "select 1"), execute("p", 0), query("select lastval()"), endGroup, query("select 3")),
		group(2, parse("", "select 1"), once(""), query("execute s0"), once(""), endGroup),
		group(2, parse("s1", "select 1"), once("s1"), forget("s1"), parse("s1", "select 1"), query("select 5"), endGroup), group(2, forget("s1"), query("select 6"), endGroup),
		group(2, parse("s1", "select 1"), query("select 7"), endGroup),
	}},
	{name: "a copy behind a group that fails", setup: freshCopied, steps: []step{
		group(3, bind("", "nosuch"), endGroup, parse("", "copy copied from stdin"), once(""), endGroup, copyData("1\tone\n"), copyDone, endGroup, query("select count(*) from copied")),
		group(3, bind("", "nosuch"), endGroup, parse("d", "deallocate all"), once("d"), endGroup, parse("d", "select 'anew'"), once("d"), endGroup),
	}},
	{name: "the portal of a BEGIN that is not the client's", steps: []step{
		group(2, query("begin"), query("select $1::int")), group(1, describePortal(""), endGroup), group(1, execute("", 0), endGroup), group(1, query("rollback")),
		group(2, query("begin"), query("selekt")), group(1, execute("", 0), endGroup), group(1, query("rollback")),
		group(3, query("begin"), query("selekt"), bind("q", "nosuch"), execute("", 0), endGroup), group(1, describePortal(""), endGroup), group(1, query("rollback")),
		group(4, query("begin"), query("selekt"), bind("q", "nosuch"), execute("", 0), endGroup, describePortal(""), endGroup), group(1, query("rollback")),
		group(3, query("begin"), query("selekt"), bind("", "nosuch"), endGroup), group(1, describePortal(""), endGroup), group(1, query("rollback")),
		group(3, query("begin"), query(""), bind("", "nosuch"), endGroup), group(1, describePortal(""), endGroup), group(1, query("rollback")),
		group(2, query("begin"), query("select 1")), group(1, parse("", "select 2"), bind("", ""), describePortal(""), execute("", 0), endGroup), group(1, query("commit")),
	}},
	{name: "a name as SQL knows it behind a group that fails", steps: []step{
		group(1, parse("s2", "rollback"), parse("s0", "prepare s2 (int) as select $1"), endGroup),
		group(2, bind("", "nosuch"), parse("", "prepare s2 (int) as select $1"), endGroup, forget("s2"), parse("s2", "select 1"), describe("s0"), endGroup), group(1, once("s2"), endGroup),
		group(1, query("execute s2")),
	}},
	{name: "a name in use behind a group that fails", steps: []step{
		group(1, parse("s0", "select 0"), endGroup),
		group(2, bind("", "nosuch"), parse("s0", "select 1"), endGroup, parse("s0", "select 2"), endGroup), group(1, once("s0"), endGroup),
	}},
	{name: "no portal before the first one", steps: []step{
		group(1, query("begin")), group(1, execute("", 0), endGroup), group(1, query("rollback")),
		group(1, query("begin")), group(1, describePortal(""), endGroup), group(1, query("rollback")),
		group(1, parse("", "begin"), bind("", ""), describePortal(""), execute("", 0), endGroup), group(1, execute("", 0), endGroup), group(1, query("rollback")),
		group(1, parse("", "begin"), once(""), endGroup), group(1, describePortal(""), endGroup), group(1, query("commit")),
		group(1, parse("", "begin"), once(""), endGroup), group(1, query("set transaction read only")), group(1, execute("", 0), endGroup), group(1, query("rollback")),
		group(2, query("begin"), bind("p", ""), endGroup), group(1, query("rollback")),
		group(3, query("begin"), bind("", "nosuch"), endGroup, execute("", 0), endGroup), group(1, query("rollback")),
	}},
}
