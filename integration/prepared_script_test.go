// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"strconv"
	"strings"
)

// preparedScripts are about the names of prepared statements.
var preparedScripts = []script{
	{name: "a name in use", steps: []step{
		group(1, parse("s0", "select 'first'"), endGroup), group(1, parse("s0", "select 'second'"), endGroup), group(1, once("s0"), endGroup),
		group(1, parse("s0", "select 'first'"), endGroup), group(1, once("s0"), endGroup),
		group(1, parse("s1", "select 1"), parse("s1", "select 2"), endGroup), group(1, once("s1"), endGroup),
	}},
	{name: "a name in use in a block", steps: []step{
		group(1, parse("s0", "select 'first'"), endGroup), group(1, query("begin")), group(1, parse("s0", "select 'second'"), endGroup),
		group(1, query("select 1")), group(1, query("rollback")), group(1, once("s0"), endGroup),
	}},
	{name: "unknown names", steps: []step{
		group(1, bind("", "nobody"), endGroup), group(1, describe("nobody"), endGroup), group(1, once("s0"), endGroup), group(1, describe("s1"), endGroup),
		group(1, bind("", ""), endGroup), group(1, describe(""), endGroup), group(1, forget("nobody"), endGroup), group(1, forgetPortal("nobody"), endGroup),
		group(1, execute("nobody", 0), endGroup), group(1, describePortal("nobody"), endGroup),
		group(1, once(`quo"ted`), endGroup),
	}},
	{name: "unknown names in a block", steps: []step{
		group(1, query("begin")), group(1, once("s0"), endGroup), group(1, query("select 1")), group(1, query("rollback")),
	}},
	{name: "Close", steps: []step{
		group(1, parse("s0", "select 'old'"), once("s0"), endGroup), group(1, forget("s0"), endGroup), group(1, once("s0"), endGroup),
		group(1, parse("s0", "select 'new'"), once("s0"), endGroup), group(1, once("s0"), endGroup),
		group(1, forget("s0"), parse("s0", "select 'newer'"), once("s0"), forget("s0"), once("s0"), endGroup), group(1, once("s0"), endGroup),
	}},
	{name: "Close of an open portal's statement", steps: []step{
		group(1, parse("s0", "select generate_series(1, 4)"), bind("p", "s0"), execute("p", 2), forget("s0"), execute("p", 0), endGroup), group(1, once("s0"), endGroup),
	}},
	{name: "Close of the unnamed statement", steps: []step{
		group(1, parse("", "select 'unnamed'"), endGroup), group(1, once(""), endGroup), group(1, forget(""), endGroup), group(1, once(""), endGroup),
	}},
	{name: "a failing Parse destroys the unnamed statement", steps: []step{
		group(1, parse("", "select 'unnamed'"), endGroup), group(1, parse("", "selekt"), endGroup), group(1, once(""), endGroup),
	}},
	{name: "a skipped Parse does not", steps: []step{
		group(1, parse("", "select 'unnamed'"), endGroup), group(1, once("s0"), parse("", "select 'skipped'"), endGroup), group(1, once(""), endGroup),
	}},
	{name: "a simple query destroys the unnamed statement", steps: []step{
		group(1, parse("", "select 'unnamed'"), endGroup), group(1, query("select 1")), group(1, once(""), endGroup),
		group(1, parse("", "select 'unnamed'"), endGroup), group(1, query("")), group(1, once(""), endGroup),
		group(1, parse("", "select 'unnamed'"), endGroup), group(1, query("selekt")), group(1, once(""), endGroup),
	}},
	{name: "the unnamed statement survives a group", steps: []step{
		group(1, parse("", "select $1::text"), endGroup), group(1, parse("s0", "select 1"), once("s0"), endGroup), group(1, once("", "still"), endGroup), group(1, describe(""), endGroup),
	}},
	{name: "the unnamed statement is replaced", steps: []step{
		group(2, parse("", "select 'one'"), endGroup, parse("", "select 'two'"), endGroup), group(1, once(""), endGroup),
		group(1, parse("", "select 'three'"), bind("", ""), parse("", "select 'four'"), execute("", 0), once(""), endGroup),
	}},
	{name: "types that the client gives", steps: []step{
		group(1, parse("s0", "select $1", text), parse("s1", "select $1", int4), describe("s0"), describe("s1"), endGroup),
		group(1, once("s0", "1"), once("s1", "1"), endGroup), group(1, describe("s1"), describe("s0"), endGroup),
		group(1, parse("s2", "select $1 + $2", 0, int4), describe("s2"), endGroup), group(1, once("s2", "1", "2"), endGroup),
	}},
	{name: "many statements", steps: manyStatements(30)},
	{name: "many statements in one group", steps: []step{manyInOne(30), manyInOne(30)}},
	{name: "a statement whose table changes", setup: freshItems, steps: []step{
		group(1, parse("s0", "select name from items where id = 1"), once("s0"), endGroup),
		group(1, query("alter table items alter name type varchar(100)")),
		group(1, query("alter table items drop column note")),
		group(1, once("s0"), endGroup),
	}, differs: "the upstream that runs it prepares it after the change, so there is no cached plan to refuse"},
	{name: "a statement whose table is gone", setup: freshItems, steps: []step{
		group(1, parse("s0", "select id, name from items where id = 1"), once("s0"), endGroup),
		group(1, query("drop table items")), group(1, once("s0"), endGroup), group(1, query("select 1")),
	}},
	{name: "names like weir's own", steps: []step{
		group(1, parse("weir_1", "select 'mine'"), endGroup), group(1, once("weir_1"), endGroup), group(1, forget("weir_1"), endGroup),
	}},
	{name: "unknown names like weir's own", steps: []step{
		group(1, once("weir_1"), endGroup),
	}},
	{name: "a long name", steps: []step{
		group(1, parse(longName, "select 'long'"), endGroup), group(1, describe(longName), endGroup), group(1, once(longName), endGroup), group(1, parse(longName, "select 2"), endGroup),
	}},
}

// manyStatements prepares n, one a group, and runs each of them twice.
func manyStatements(n int) (steps []step) {
	for i := range n {
		steps = append(steps, group(1, parse(numbered(i), "select 'statement "+numbered(i)+"', $1::int"), endGroup))
	}
	for i := range 2 * n {
		steps = append(steps, group(1, once(numbered(i*7%n), "1"), endGroup))
	}
	return steps
}

// manyInOne prepares and closes n statements in one group, and runs some
// between.
func manyInOne(n int) step {
	var all messages
	for i := range n {
		all = join(all, parse(numbered(i), "select 'many "+numbered(i)+"'"))
	}
	for i := range 2 * n {
		all = join(all, once(numbered(i*7%n)))
	}
	for i := range n {
		all = join(all, forget(numbered(i)))
	}
	return group(1, all, endGroup)
}

func numbered(i int) string { return "s" + strconv.Itoa(i) }

var longName = strings.Repeat("n", 4000)
