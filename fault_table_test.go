// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

var (
	lossWhole = flag.Bool("loss.whole", false, "lose the connection in every cell of the table, not in a share of them")
	lossTime  = flag.Duration("loss.time", 0, "lose the connection in cells at random for so long")
	lossSeed  = flag.Uint64("loss.seed", 1, "seed of the cells at random")
)

// lossKind is a kind of statement: what is there if it has happened, 0 where it
// changes nothing. lossCount asks for that, and lossUndo takes it away.
type lossKind struct {
	sql  string
	rows string
	// asked says that weir asks PostgreSQL what it has left on the connection. Until
	// then its client is pinned, and goes with its connection.
	asked bool
}

var lossKinds = map[string]lossKind{
	"constant":           {"select 1", "0", false},
	"read":               {"select count(*) from steady", "0", false},
	"locking read":       {"select n from steady for update", "0", false},
	"write":              {"insert into rows values (1)", "1", false},
	"writing CTE":        {"with w as (insert into rows values (1) returning n) select n from w", "1", false},
	"SELECT INTO":        {"select 1 as x into made", "1", false},
	"CREATE TABLE AS":    {"create table made as select 1 as x", "1", false},
	"volatile function":  {"select adds()", "1", false},
	"stable function":    {"select adds_unsaid()", "1", false},
	"default argument":   {"select adds_by_default()", "1", false},
	"view":               {"select * from adding", "1", false},
	"domain":             {"select 1::added", "1", false},
	"operator":           {"select 1 @@@ 1", "1", false},
	"by XML":             {"select query_to_xml('select adds()', true, false, '')::text", "1", false},
	"EXPLAIN":            {"explain (costs off) insert into rows values (1)", "0", false},
	"EXPLAIN ANALYZE":    {"explain (analyze, costs off, timing off, summary off) insert into rows values (1)", "1", false},
	"procedure":          {"call puts()", "1", false},
	"DO":                 {"do $$begin insert into rows values (1); end$$", "1", true},
	"COPY of a write":    {"copy (insert into rows values (1) returning n) to stdout", "1", false},
	"COPY of a function": {"copy (select adds()) to stdout", "1", false},
}

const lossFixtures = `create table rows (n int); create table steady as select 1 as n;
create function adds() returns int language sql volatile as 'insert into rows values (1) returning n';
create function adds_unsaid() returns int language plpgsql stable as 'begin return adds(); end';
create function adds_by_default(n int default adds()) returns int language sql immutable as 'select n';
create function adds_more(a int, b int) returns int language plpgsql as 'begin return adds(); end';
create operator @@@ (leftarg = int, rightarg = int, function = adds_more);
create view adding as select adds() as n;
create function allows(n int) returns boolean language plpgsql as 'begin return adds() is not null; end';
create domain added as int check (allows(value));
create procedure puts() language sql as 'insert into rows values (1)'`

const (
	lossCount = "select (select count(*) from rows) + (to_regclass('made') is not null)::int"
	lossUndo  = "truncate rows; drop table if exists made"
)

// lossForms are how a statement is sent, and which of the groups has it.
var lossForms = map[string]struct {
	ahead func(sql string) []pgproto3.FrontendMessage // answered once, before anything is lost
	sent  func(sql string) []pgproto3.FrontendMessage
	at    int
}{
	"simple":  {nil, simple, 0},
	"unnamed": {nil, group, 0},
	"named":   {func(sql string) []pgproto3.FrontendMessage { return prepareNamed("s", sql) }, func(string) []pgproto3.FrontendMessage { return executeNamed("s") }, 0},
	"pipelined": {nil, func(sql string) []pgproto3.FrontendMessage {
		return slices.Concat(group("select 1"), group(sql), group("select 2"))
	}, 1},
	"behind a Query": {nil, func(sql string) []pgproto3.FrontendMessage { return slices.Concat(simple("select 1"), simple(sql)) }, 1},
}

// TestALossAtEveryBoundary loses the connection to PostgreSQL at each message of
// each kind of statement in each form: before it is sent, when it is, between the
// messages of its answer, after it has committed. What the client is told of it has
// to be what the database shows afterwards.
func TestALossAtEveryBoundary(t *testing.T) {
	t.Parallel()
	began := time.Now()
	random := rand.New(rand.NewPCG(*lossSeed, 0))
	type cell struct {
		kind, form string
		seed       uint64
	}
	var cells []cell
	for _, kind := range slices.Sorted(maps.Keys(lossKinds)) {
		for _, form := range slices.Sorted(maps.Keys(lossForms)) {
			cells = append(cells, cell{kind, form, random.Uint64()})
		}
	}
	if *lossTime > 0 {
		random.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
	}
	server := testpg.URL(t)
	for worker := range lossWorkers {
		t.Run(fmt.Sprintf("worker %d", worker), func(t *testing.T) {
			t.Parallel()
			url := testpg.Database(t, server)
			testpg.Exec(t, url, lossFixtures)
			for i := worker; i < len(cells); i += lossWorkers {
				if *lossTime > 0 && time.Since(began) > *lossTime {
					return
				}
				c := cells[i]
				t.Run(c.kind+", "+c.form, func(t *testing.T) { loseEverywhere(t, url, c.kind, c.form, c.seed) })
			}
		})
	}
}

// lossWorkers is how many cells are tried at a time.
const lossWorkers = 4

// lossShare is one in how many boundaries is tried, where not all are.
const lossShare = 20

// loseEverywhere plays one row of the table.
func loseEverywhere(t *testing.T, url, kind, form string, seed uint64) {
	k, f := lossKinds[kind], lossForms[form]
	s := prepareStageAt(t, url, request{sent: f.sent(k.sql), rows: k.rows})
	s.count, s.undo = lossCount, lossUndo
	// Each time it is another client: one of which it is not known what its statement
	// has left on the upstream ends with that, behind its answer.
	lose := func(n int, c cut) (answer, types, rows string) {
		s.renew(t)
		if f.ahead != nil {
			s.client.send(t, f.ahead(k.sql)...)
			s.client.transcript(t, 1)
		}
		answer, types = s.play(t, n, c)
		s.renew(t)
		return answer, types, s.settle(t)
	}
	whole, types, rows := lose(-1, cut{})
	if strings.Contains(whole, "E(") || rows != k.rows {
		t.Fatalf("without a cut: %q and %s there, want %s", whole, rows, k.rows)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	for n, typ := range types {
		for _, c := range cuts {
			if !*lossWhole && *lossTime == 0 && random.IntN(lossShare) > 0 {
				continue
			}
			got, _, rows := lose(n, c)
			if why := toldWrong(got, whole, f.at, k, rows); why != "" {
				t.Errorf("%s message %d (%c): the client got %q, and there is %s: %s", c.name, n, typ, got, rows, why)
			}
		}
	}
}

// toldWrong says what is wrong with an answer of several groups, of which the one at
// index at would leave want, where rows are there.
func toldWrong(got, whole string, at int, k lossKind, rows string) string {
	parts, all, want := groupsOf(got), groupsOf(whole), k.rows
	gone := k.asked && (strings.HasSuffix(got, "E(08006) EOF") || strings.HasSuffix(got, "E(08007) EOF"))
	switch {
	case strings.HasSuffix(got, "EOF") && !gone:
		return "its connection has ended"
	case len(parts) != len(all) && !gone:
		return fmt.Sprintf("there are %d ReadyForQuery, want %d", len(parts), len(all))
	case rows != "0" && rows != want:
		return "it has happened more than once, or in part"
	}
	if at >= len(parts) {
		return ""
	}
	switch told := parts[at]; {
	case strings.Contains(told, "E(08007)"):
		return ""
	case strings.Contains(told, "E(") && rows != "0":
		return "it was refused, and has happened"
	case strings.Contains(told, "E("):
		return ""
	case told != all[at]:
		return "it is neither an error nor the answer"
	case rows != want:
		return "it was acknowledged, and has not happened"
	}
	return ""
}

// groupsOf splits a transcript behind each ReadyForQuery.
func groupsOf(transcript string) (parts []string) {
	var words []string
	for word := range strings.FieldsSeq(transcript) {
		words = append(words, word)
		if strings.HasPrefix(word, "Z(") {
			parts, words = append(parts, strings.Join(words, " ")), nil
		}
	}
	if words != nil {
		parts = append(parts, strings.Join(words, " "))
	}
	return parts
}

// TestTheTableFindsWhatIsWrong checks the checker.
func TestTheTableFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	const whole = "C Z(I) C Z(I)"
	for _, c := range []struct {
		got, rows string
		asked     bool
		fine      bool
	}{
		{whole, "1", false, true},
		{whole, "0", false, false},
		{whole, "2", false, false},
		{"C Z(I) E(08007) Z(I)", "1", false, true},
		{"C Z(I) E(08007) Z(I)", "0", false, true},
		{"C Z(I) E(08007) Z(I)", "2", false, false},
		{"C Z(I) E(08006) Z(I)", "0", false, true},
		{"C Z(I) E(08006) Z(I)", "1", false, false},
		{"E(08007) Z(I) C Z(I)", "1", false, true},
		{"C Z(I) Z(I)", "1", false, false},
		{"C Z(I)", "1", false, false},
		{"C Z(I) EOF", "0", false, false},
		{"C Z(I) E(08007) EOF", "1", false, false},
		{"C Z(I) E(08007) EOF", "1", true, true},
		{"C Z(I) E(08007) EOF", "2", true, false},
		{"C Z(I) E(08006) EOF", "0", true, true},
		{"C Z(I) E(08006) EOF", "1", true, false},
		{"C Z(I) EOF", "0", true, false},
	} {
		if why := toldWrong(c.got, whole, 1, lossKind{rows: "1", asked: c.asked}, c.rows); (why == "") != c.fine {
			t.Errorf("%q with %s rows: %q", c.got, c.rows, why)
		}
	}
}
