// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/faultproxy"
	"github.com/weir-pg/weir/internal/testpg"
)

// muteGroups drops what PostgreSQL says up to so many ReadyForQuery, with the last
// of which the connection ends: the requests have been carried out, and nobody has
// heard of it.
func muteGroups(n int) faultproxy.Script {
	return func(m *faultproxy.Message) faultproxy.Fate {
		if m.From == faultproxy.Client || n == 0 {
			return faultproxy.Live
		}
		m.Bytes = nil
		if m.Type == 'Z' {
			n--
		}
		if n == 0 {
			return faultproxy.Reset
		}
		return faultproxy.Live
	}
}

// silenced is a database in which requests are carried out without an answer.
type silenced struct {
	proxy  *faultproxy.Proxy
	g      *gateway
	direct *pgx.Conn
	client *raw
}

func silence(t *testing.T, setup string) *silenced {
	t.Helper()
	url := database(t)
	testpg.Exec(t, url, setup)
	s := &silenced{}
	var through string
	s.proxy, through = distant(t, url, 0)
	s.g = open(t, through, poolOf(1))
	var err error
	if s.direct, err = pgx.Connect(bounded(t), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.direct.PgConn().Conn().Close() })
	s.client = s.g.raw(t)
	return s
}

// lose sends a request whose first answer is lost, and returns what the client
// gets.
func (s *silenced) lose(t *testing.T, sent ...pgproto3.FrontendMessage) string {
	t.Helper()
	s.client.query(t, "select 1") // there is an upstream that has the client's settings
	s.client.transcript(t, 1)
	return s.loseNext(t, sent...)
}

// loseNext is lose for a client that has an upstream.
func (s *silenced) loseNext(t *testing.T, sent ...pgproto3.FrontendMessage) string {
	t.Helper()
	s.proxy.Script(muteGroups(1))
	s.client.send(t, sent...)
	got := s.client.transcript(t, 1)
	s.proxy.Script(nil)
	return got
}

// writes counts in the sequence runs how often it was called, and hides that as
// well as it can.
const writes = `
create table t (n int);
insert into t values (1);
create sequence runs;
create function vol() returns int language plpgsql volatile as $$ begin perform nextval('runs'); return 1; end $$;
create function stab() returns int language plpgsql stable as $$ begin return vol(); end $$;
create function imm() returns int language plpgsql immutable as $$ begin return vol(); end $$;
create function stab_sql() returns int language sql stable as 'select vol()';
create function stab_in_c(int) returns int language internal stable as 'int4abs';
create function dflt(n int default vol()) returns int language sql immutable as 'select n';
create function "odd-name"() returns int language plpgsql stable as $$ begin return vol(); end $$;
create aggregate agg(int) (sfunc = int4pl, stype = int, initcond = '0');
create view v as select vol() as n;
create view "odd view" as select n from v;
create view odd_call as select "odd-name"() as n;
create view fine as select count(*) as n from t where n < 5;
create view fine_too as select n from fine;
create table parent (n int) partition by list (n);
create table child partition of parent for values in (1);
create table hidden (n int);
alter table hidden enable row level security;
create policy seen on hidden using (stab() = 1);
create procedure proc() language plpgsql as $$ begin perform vol(); end $$;
`

// long is a name of as many bytes as PostgreSQL looks at.
var long = strings.Repeat("x", 63)

// reads says of statements whether they only read.
var reads = map[string]bool{
	"select 1":                                    true,
	"select n from t where n = 1":                 true,
	"select count(*), now() from t":               true,
	"values (1), (2)":                             true,
	"table fine":                                  true,
	"select * from fine_too":                      true,
	"select n from parent":                        true,
	"with a as (select n from t) select n from a": true,
	"(select n from t) union (select 2)":          true,
	"select substring('abc' from 1 for 2)":        true,
	"select count(*) from pg_stat_activity":       true,
	"show work_mem":                               true,
	"explain select n from t":                     true,
	`select 'a\b', '\'`:                           true,
	"select 'insert into t'":                      true,
	"select upper('ä') as ä":                      true,

	"with u as (update t set n = n + 1 returning n) select n from u":                     false,
	"with u as (insert into t values (5) returning n) select n from u":                   false,
	"with u as (delete from t where n = 5 returning n) select n from u":                  false,
	"with recursive a as (with u as (select 1 as n) select n from u) update t set n = n": false,

	"select n from t for update":                           false,
	"select n from t for no key update":                    false,
	"select n from t for share":                            false,
	"select n from t for key share":                        false,
	"select 1 as x into made":                              false,
	"create table made_too as select 1":                    false,
	"select vol()":                                         false,
	"select stab()":                                        false,
	"select imm()":                                         false,
	"select STAB()":                                        false,
	`select "stab"()`:                                      false,
	`select U&"st\0061b"()`:                                false,
	"select public.stab_sql()":                             false,
	"select stab_in_c(1)":                                  false,
	"select dflt()":                                        false,
	"select dflt(1)":                                       false,
	`select "odd-name"()`:                                  false,
	"select " + long + "yz()":                              false,
	"select agg(n) from t":                                 false,
	"select * from v":                                      false,
	`select * from "odd view"`:                             false,
	"select * from odd_call":                               false,
	"select * from hidden":                                 false,
	"select 1 where exists (select from v)":                false,
	"select n, (select stab()) from t":                     false,
	"values (stab())":                                      false,
	"explain select imm()":                                 false,
	"explain analyze select 1":                             false,
	"explain (analyze off) select 1":                       false,
	"select table_to_xml('v', true, false, '')":            false,
	"select schema_to_xml('public', true, false, '')":      false,
	"select query_to_xml('select vol()', true, false, '')": false,
	"select nextval('runs')":                               false,
	"select random()":                                      false,
	"select pg_advisory_xact_lock(1)":                      false,
	"select set_config('work_mem', '5MB', true)":           false,
	"select current_setting('transaction_read_only')":      false,
	"call proc()":                                          false,
	"do 'begin perform vol(); end'":                        false,
	"copy (select vol()) to stdout":                        false,
	"select 1; select 2":                                   false,
	"declare c cursor for select 1; fetch c":               false,
	"vacuum t":                                             false,
}

// TestOnlyProvenReadsAreAskedAgain loses the answers to statements that PostgreSQL
// has carried out. Each client has every few of them, in either protocol.
func TestOnlyProvenReadsAreAskedAgain(t *testing.T) {
	t.Parallel()
	texts := slices.Sorted(maps.Keys(reads))
	for first := range readers {
		t.Run(fmt.Sprint(first), func(t *testing.T) {
			t.Parallel()
			s := silence(t, writes+"create function "+long+"() returns int language sql volatile as 'select vol()'")
			for i := first; i < len(texts); i += readers {
				s.checkRead(t, texts[i], i/readers%2 == 0)
			}
			s.g.balanced(t)
		})
	}
}

const readers = 8

// checkRead loses the answer to a statement. A function in it that has an effect
// may have run as often as PostgreSQL alone runs it.
func (s *silenced) checkRead(t *testing.T, sql string, extended bool) {
	t.Helper()
	runs := func() int {
		n := number(t, s.direct, "select last_value - 1 + is_called::int from runs")
		must(t, s.direct, "select setval('runs', 1, false); drop table if exists made, made_too")
		return n
	}
	must(t, s.direct, sql)
	once, sent := runs(), simple(sql)
	// A Sync behind a COPY waits for its first answer, which is lost here.
	if extended && !strings.Contains(sql, "; ") && !strings.HasPrefix(sql, "copy") {
		sent = group(sql)
	}
	got := s.lose(t, sent...)
	if reads[sql] && strings.Contains(got, "E(") || !reads[sql] && got != "E(08007) Z(I)" {
		t.Errorf("%s: got %q; it only reads: %t", sql, got, reads[sql])
	}
	if ran := runs(); ran != once || once > 0 && reads[sql] {
		t.Errorf("%s: a function with an effect ran %d times, want %d", sql, ran, once)
	}
}

// TestReadsAreNotAskedAgainWhereSomethingUnnamedMayWrite has in its database what
// a text need not name.
func TestReadsAreNotAskedAgainWhereSomethingUnnamedMayWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ setup, sql string }{
		"a domain's CHECK":     {"create domain d as int check (vol() > 0); create table dt (d d)", "select '{1}'::d[]"},
		"a domain in a type":   {"create domain d as int check (stab() > 0); create table dt (x d)", "select json_populate_record(null::dt, '{\"x\": 1}')"},
		"an operator":          {"create function op(int, int) returns int language plpgsql immutable as 'begin return vol(); end'; create operator === (leftarg = int, rightarg = int, function = op)", "select n === 1 from t"},
		"a cast":               {"create type c as (n int); create function cast_c(c) returns int language plpgsql stable as 'begin return vol(); end'; create cast (c as int) with function cast_c(c)", "select row(1)::c::int"},
		"a parameter's domain": {"create domain d as int check (vol() > 0)", ""},
		"an operator class":    {"create function cmp(int, int) returns int language plpgsql immutable as 'begin perform vol(); return $1 - $2; end'; create operator class odd for type int using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 cmp(int, int); create table o (n int); create index on o (n odd); insert into o values (1), (2)", "select n from t"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := silence(t, writes+c.setup)
			sent := group(c.sql)
			if c.sql == "" {
				oid := uint32(number(t, s.direct, "select 'd'::regtype::oid::int"))
				sent = []pgproto3.FrontendMessage{
					&pgproto3.Parse{Query: "select $1", ParameterOIDs: []uint32{oid}},
					&pgproto3.Bind{Parameters: [][]byte{[]byte("1")}}, &pgproto3.Execute{}, &pgproto3.Sync{},
				}
			}
			must(t, s.direct, "select setval('runs', 1, false)")
			if got := s.lose(t, sent...); got != "E(08007) Z(I)" {
				t.Errorf("got %q, want 08007", got)
			}
			if ran := number(t, s.direct, "select last_value - 1 + is_called::int from runs"); ran > 1 {
				t.Errorf("it ran %d times", ran)
			}
		})
	}
}

// TestAGroupThatPreparesIsAskedAgain loses the answer to a Parse, of whatever.
func TestAGroupThatPreparesIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := silence(t, writes)
	for name, c := range map[string]struct {
		sent  []pgproto3.FrontendMessage
		again string // what the client gets if it is
	}{
		"a read":           {preparing("", "select 1"), "1 T Z(I)"},
		"a write":          {preparing("", "insert into t values ($1)"), "1 n Z(I)"},
		"named":            {preparing("s", "insert into t values ($1)"), "1 n Z(I)"},
		"named, to be run": {preparing("vol", "select vol()"), "1 T Z(I)"},
		"bound, not run":   {append(prepareNamed("", "select imm()")[:1], &pgproto3.Bind{}, &pgproto3.Sync{}), ""},
		"two of them":      {slices.Concat(prepareNamed("a", "select 1")[:1], prepareNamed("b", "select 2")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			want := c.again
			if want == "" {
				want = "E(08007) Z(I)"
			}
			if got := s.lose(t, c.sent...); got != want && (c.again != "" || !strings.HasSuffix(got, "E(08006) Z(I)")) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
	s.client.send(t, executeNamed("vol")...)
	if got, want := s.client.transcript(t, 1), "2 D C Z(I)"; got != want {
		t.Errorf("what was prepared: got %q, want %q", got, want)
	}
}

// TestWhatIsAskedAgainIsReadOnly has a function that passes for one of
// PostgreSQL's own and writes: PostgreSQL refuses it the second time. Nobody but
// the statement that is asked again is READ ONLY.
func TestWhatIsAskedAgainIsReadOnly(t *testing.T) {
	t.Parallel()
	s := silence(t, writes+`create or replace function pg_catalog.lpad(text, int) returns text language plpgsql stable as
		$$ begin perform vol(); return 'written'; end $$`)
	for form, sent := range map[string][]pgproto3.FrontendMessage{
		"simple": simple("select lpad('a', 3)"), "extended": group("select lpad('a', 3)"),
	} {
		must(t, s.direct, "select setval('runs', 1, false)")
		got := s.lose(t, sent...)
		if got = strings.NewReplacer("1 ", "", "2 ", "", "T ", "").Replace(got); got != "E(08007) Z(I)" {
			t.Errorf("%s: got %q, want 08007", form, got)
		}
		if ran := number(t, s.direct, "select last_value - 1 + is_called::int from runs"); ran != 1 {
			t.Errorf("%s: it wrote %d times, want 1", form, ran)
		}
		for _, c := range []*raw{s.client, s.g.raw(t)} {
			c.query(t, "insert into t values (2)")
			if got, want := c.transcript(t, 1), "C Z(I)"; got != want {
				t.Errorf("%s: afterwards a write got %q, want %q", form, got, want)
			}
		}
	}
}

// TestAWriteBehindWhatIsAskedAgainIsNotReadOnly sends a write while a read in front
// of it is asked again.
func TestAWriteBehindWhatIsAskedAgainIsNotReadOnly(t *testing.T) {
	t.Parallel()
	s := silence(t, "create table t as select 1 as n")
	for form, sent := range map[string][]pgproto3.FrontendMessage{"simple": simple("select n from t where n = 1"), "extended": group("select n from t where n = 1")} {
		before := s.g.retried("read")
		s.client.query(t, "select 1")
		s.client.transcript(t, 1)
		s.proxy.Script(muteGroups(1))
		s.client.send(t, sent...)
		until(t, "the read to be asked again", func() bool { return s.g.retried("read") > before })
		s.client.send(t, slices.Concat(simple("insert into t values (2)"), group("insert into t values (3)"))...)
		got := strings.NewReplacer("1 ", "", "2 ", "", "T ", "").Replace(s.client.reported(t, 3))
		if want := "D C Z(I) C Z(I) C Z(I)"; got != want {
			t.Errorf("%s: got %q, want %q", form, got, want)
		}
		s.proxy.Script(nil)
	}
	// A client that goes meanwhile leaves nothing of it either.
	s.client.query(t, "select 1")
	s.client.transcript(t, 1)
	before := s.g.retried("read")
	s.proxy.Script(muteGroups(1))
	s.client.query(t, "select n from t where n = 1")
	until(t, "the read to be asked again", func() bool { return s.g.retried("read") > before })
	_ = s.client.Close()
	s.client = s.g.raw(t)
	s.client.query(t, "show default_transaction_read_only; insert into t values (4)")
	if got, want := s.client.transcript(t, 1), "T D C C Z(I)"; got != want {
		t.Errorf("the next client got %q, want %q", got, want)
	}
	if n := number(t, s.direct, "select count(*) from t"); n != 6 {
		t.Errorf("there are %d rows, want 6", n)
	}
	s.g.balanced(t)
}

// reported is transcript with the parameters that are reported.
func (r *raw) reported(t testing.TB, n int) string {
	t.Helper()
	var words []string
	for r.renew(); n > 0; {
		m, err := r.front.Receive()
		if err != nil {
			return strings.Join(append(words, ending(t, err)), " ")
		}
		switch m := m.(type) {
		case *pgproto3.ParameterStatus:
			words = append(words, m.Name+"="+m.Value)
		case *pgproto3.ReadyForQuery:
			n--
		}
		if w := word(m); w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}
