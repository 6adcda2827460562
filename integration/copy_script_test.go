// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"strings"
)

const freshCopied = `drop table if exists copied; create table copied (id int primary key, name text)`

// copyScripts copy in and out, in both protocols.
var copyScripts = []script{
	copying("out", group(1, query("insert into copied select i, 'n' || i from generate_series(1, 1000) i")), group(1, query("copy copied to stdout")),
		group(1, query("copy (select 1) to stdout (format binary)")), group(1, query("copy (select 1/0) to stdout")), group(1, query("select 1"))),
	copying("out that fails in the middle", group(1, query("copy (select 1000 / (500 - i) from generate_series(1, 1000) i) to stdout")), group(1, query("select 1"))),
	copying("out in the extended protocol", group(1, parse("s0", "copy (select i from generate_series(1, 10) i) to stdout"), describe("s0"), endGroup),
		group(1, once("s0"), endGroup), group(1, once("s0"), once("s0"), endGroup), group(2, once("s0"), endGroup, query("select 1"))),
	copying("in", upTo('G', query("copy copied from stdin")), group(1, copyData("1\tone\n2\ttwo\n"), copyData("3\t"), copyData("three\n"), copyDone), group(1, query("select * from copied"))),
	copying("in, all in one write", group(2, query("copy copied from stdin"), copyData("1\tone\n"), copyDone, query("select * from copied"))),
	copying("in nothing", upTo('G', query("copy copied from stdin")), group(1, copyDone), group(1, query("select count(*) from copied"))),
	copying("in that the client fails", upTo('G', query("copy copied from stdin")), group(1, copyData("1\tone\n"), copyFail("changed my mind")), group(1, query("select count(*) from copied"))),
	copying("in that fails in the middle", upTo('G', query("copy copied from stdin")), group(1, copyRows(100), copyData("no number\tx\n"), copyRows(500), copyDone), group(1, query("select count(*) from copied"))),
	copying("in that fails while more comes", upTo('G', query("copy copied from stdin")), upTo('E', copyData("no number\tx\n"), copyRows(500), copyDone), group(0, copyRows(3), copyDone), group(1), group(1, query("select count(*) from copied"))),
	copying("in that fails at its end", upTo('G', query("copy copied from stdin")), group(1, copyData("1\tone\n1\tone again\n"), copyDone), group(1, query("select count(*) from copied"))),
	copying("in long rows", upTo('G', query("copy copied from stdin")), group(1, copyData("1\t"+strings.Repeat("x", 500_000)+"\n"), copyData("2\t"+strings.Repeat("y", 20_000)+"\n"), copyDone), group(1, query("select length(name) from copied"))),
	copying("in within a block", group(1, query("begin")), upTo('G', query("copy copied from stdin")), group(1, copyData("1\tone\n"), copyDone), group(1, query("rollback")), group(1, query("select count(*) from copied"))),
	copying("in that fails within a block", group(1, query("begin")), upTo('G', query("copy copied from stdin")), group(1, copyData("x\tone\n"), copyDone), group(1, query("select 1")), group(1, query("rollback"))),
	copying("in among other statements", upTo('G', query("select 1; copy copied from stdin; select count(*) from copied; select 3")), group(1, copyData("1\tone\n"), copyDone), group(1, query("select 4"))),
	copying("twice in one query", upTo('G', query("copy copied from stdin; copy copied from stdin")), upTo('G', copyData("1\tone\n"), copyDone), group(1, copyData("2\ttwo\n"), copyDone), group(1, query("select count(*) from copied"))),
	copying("in, interrupted by a query", upTo('G', query("copy copied from stdin")), group(1, copyData("1\tone\n"), query("select 'not now'"))),
	copying("in the extended protocol, as libpq does", upTo('G', parse("", "copy copied from stdin"), bind("", ""), describePortal(""), execute("", 0), endGroup), group(1, copyData("1\tone\n"), copyDone, endGroup), group(1, query("select * from copied"))),
	copying("in the extended protocol with Flush", upTo('G', parse("s0", "copy copied from stdin"), once("s0"), flush), group(1, copyData("1\tone\n"), flush, copyDone, endGroup), group(1, query("select * from copied"))),
	copying("in the extended protocol, all in one write", group(1, parse("s0", "copy copied from stdin"), once("s0"), copyData("1\tone\n"), copyDone, endGroup), group(1, query("select * from copied"))),
	copying("in the extended protocol in a pipeline", group(2, parse("s0", "copy copied from stdin"), once("s0"), copyData("1\tone\n"), copyDone, endGroup, parse("s1", "select count(*) from copied"), once("s1"), endGroup), group(1, once("s1"), endGroup)),
	copying("in the extended protocol that the client fails", upTo('G', parse("s0", "copy copied from stdin"), once("s0"), flush), group(1, copyFail("no"), once("s0"), endGroup), group(1, query("select count(*) from copied"))),
	copying("in the extended protocol that fails in the middle", upTo('G', parse("s0", "copy copied from stdin"), once("s0"), endGroup), group(1, copyRows(100), copyData("x\ty\n"), copyRows(100), copyDone, endGroup), group(1, query("select count(*) from copied"))),
	copying("that is wrong", group(1, query("copy nowhere from stdin")), group(1, query("copy copied from stdin (format nonsense)")), group(1, parse("", "copy nowhere to stdout"), once(""), endGroup)),
	copying("into a view, as libpq does", group(1, query("create or replace view copied_view as select * from copied")),
		upTo('G', parse("", "copy copied_view from stdin"), once(""), endGroup), group(2, copyData("1\tone\n"), copyDone, endGroup), group(1, query("select count(*) from copied")), group(1, query("drop view copied_view"))),
	copying("that is refused, all in one write", group(3, parse("", "copy copied from stdin (freeze)"), once(""), endGroup, copyData("1\tone\n"), copyDone, endGroup, query("select 'after'")),
		group(3, parse("", "copy nowhere from stdin"), once(""), endGroup, copyData("1\tone\n"), copyDone, endGroup, query("select 'after'")),
		group(4, parse("s0", "copy copied from stdin (freeze)"), once("s0"), endGroup, endGroup, copyDone, endGroup, parse("s1", "select 1"), once("s1"), endGroup)),
	copying("that is refused in a block", group(1, query("begin")), group(2, parse("", "copy copied (nowhere) from stdin"), once(""), endGroup, copyDone, endGroup), group(1, query("rollback")),
		group(1, query("begin")), group(2, parse("", "copy copied from stdin (freeze)"), once(""), endGroup, copyFail("no"), endGroup), group(1, query("rollback")), group(1, query("select 1"))),
	copying("with Syncs at every place", group(2, parse("", "copy copied from stdin"), once(""), endGroup, copyData("1\tone\n"), endGroup, copyDone, endGroup, query("select count(*) from copied")),
		group(2, parse("", "copy copied from stdin"), once(""), endGroup, copyData("x\tone\n"), endGroup, copyDone, endGroup, query("select count(*) from copied")),
		group(1, parse("", "copy copied from stdin"), once(""), endGroup, copyData("2\ttwo\n"), endGroup, copyFail("no"), endGroup),
		group(2, query("copy copied from stdin"), endGroup, copyData("3\tthree\n"), copyDone, query("select count(*) from copied"))),
	copying("out, sent ahead", group(3, parse("s0", "copy (select 1) to stdout"), once("s0"), once("s0"), endGroup, parse("s1", "select 1"), once("s1"), endGroup, query("copy (select 1/0) to stdout"))),
	copying("out that is refused, with the end of data", group(2, parse("", "copy nowhere to stdout"), once(""), endGroup, copyDone, endGroup), group(1, query("select 1"))),
	copying("messages when nobody copies", group(1, copyData("1\tone\n"), copyDone, copyFail("no"), query("select 1")), group(1, copyData("x"), endGroup), group(1, query("select count(*) from copied"))),
	copying("messages within a block when nobody copies", group(1, query("begin")), group(1, copyData("1\tone\n"), copyDone, query("select 1")), group(1, query("commit"))),
}

func copying(name string, steps ...step) script {
	return script{name: "copy " + name, setup: freshCopied, steps: steps}
}

// copyRows is n messages of one row each.
func copyRows(n int) (all messages) {
	for i := range n {
		all = append(all, copyData(fmt.Sprintf("%d\trow %d\n", 1000+i, i)))
	}
	return all
}

// Functions by their OIDs (PostgreSQL: pg_proc.dat).
const (
	int4pl  = 177
	int4div = 154
)

// callScripts use FunctionCall, as large objects in libpq do.
var callScripts = []script{
	{name: "FunctionCall", steps: []step{
		group(1, call(int4pl, "40", "2")), group(1, call(int4div, "1", "0")), group(1, call(int4pl, "40")), group(1, call(4_000_000_000)),
		group(3, call(int4pl, "1", "2"), query("select 1"), call(int4pl, "3", "4")),
		group(1, query("select 2")),
	}},
	{name: "FunctionCall in a block", steps: []step{
		group(1, query("begin")), group(1, call(int4pl, "40", "2")), group(1, call(int4div, "1", "0")), group(1, call(int4pl, "1", "1")), group(1, query("rollback")), group(1, call(int4pl, "1", "1")),
	}},
	{name: "FunctionCall with a long argument", steps: []step{
		group(1, call(1257, strings.Repeat("x", 200_000))), group(1, query("select 1")),
	}},
}
