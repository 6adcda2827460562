// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestAnOutcomeIsStatedOnlyIfItIsKnown has PostgreSQL carry out requests whose
// answers are lost. A client that is told of a rollback, or that nothing has
// changed, finds nothing; where it finds something it was told 08007.
func TestAnOutcomeIsStatedOnlyIfItIsKnown(t *testing.T) {
	t.Parallel()
	s := silence(t, writes+"create table rows (n int); create procedure ends() language plpgsql as 'begin insert into rows values (7); commit; end'")
	block := []string{"begin", "insert into rows values (1)"}
	write := "insert into rows values (2)"
	const unknown, undone = "E(08007)", "E(08006)"
	for name, c := range map[string]struct {
		before []string
		sent   []pgproto3.FrontendMessage
		want   string
		rows   string // there are then
	}{
		"a write":                      {nil, simple(write), unknown, "2"},
		"a block in one text":          {nil, simple("begin; " + write + "; commit"), unknown, "2"},
		"a block that stays open":      {nil, simple("begin; " + write), unknown, ""},
		"the end of one, then another": {nil, simple(write + "; commit; begin; " + write), unknown, "2"},
		"SELECT INTO":                  {nil, simple("select 2 as n into made"), unknown, "made"},
		"a function":                   {nil, simple("select vol()"), unknown, ""},
		"a row lock":                   {nil, simple("select n from t for update"), unknown, ""},
		"EXPLAIN ANALYZE":              {nil, simple("explain analyze " + write), unknown, "2"},
		"a procedure":                  {nil, simple("call ends()"), unknown, "7"},
		"a FunctionCall":               {nil, []pgproto3.FrontendMessage{&pgproto3.FunctionCall{Function: 957, ArgFormatCodes: []uint16{0}, Arguments: [][]byte{[]byte("131072")}}}, unknown, "large object"},
		"a setting":                    {nil, simple("set work_mem = '5MB'"), unknown, ""},
		"no statement":                 {nil, simple(""), undone, ""},
		"a ROLLBACK without a block":   {nil, simple("rollback"), undone, ""},

		"in a block":                        {block, simple(write), undone, ""},
		"in a block, extended":              {block, group(write), undone, ""},
		"a call in a block":                 {block, simple("select vol()"), undone, ""},
		"a FunctionCall in a block":         {block, []pgproto3.FrontendMessage{&pgproto3.FunctionCall{Function: 957, ArgFormatCodes: []uint16{0}, Arguments: [][]byte{[]byte("131072")}}}, undone, ""},
		"in a block that was held back":     {[]string{"begin"}, simple(write), undone, ""},
		"a COMMIT":                          {block, simple("commit"), unknown, "1"},
		"a COMMIT, extended":                {block, group("end"), unknown, "1"},
		"a ROLLBACK":                        {block, simple("rollback"), undone, ""},
		"a ROLLBACK, and nothing":           {block, simple("rollback; begin; show work_mem"), undone, ""},
		"a ROLLBACK, and a write":           {block, simple("rollback; " + write), unknown, "2"},
		"a ROLLBACK, and a SELECT INTO":     {block, simple("rollback; select 2 as n into made"), unknown, "made"},
		"a write, and COMMIT AND CHAIN":     {block, simple(write + "; commit and chain; " + write), unknown, "1 2"},
		"a ROLLBACK AND CHAIN, and a write": {block, simple("rollback and chain; " + write), unknown, ""},
		"to a savepoint":                    {append(block, "savepoint a"), simple("rollback to a; " + write), undone, ""},
		"a ROLLBACK, then a write":          {block, slices.Concat(simple("rollback"), simple(write)), unknown + " Z(E) " + unknown, "2"},
		"a ROLLBACK, then one, extended":    {block, slices.Concat(group("rollback"), group(write)), unknown + " Z(E) " + unknown, "2"},
		"a ROLLBACK, then one in a group":   {block, slices.Concat(extended("rollback"), group(write)), unknown, "2"},
		"a COMMIT, then a read":             {block, slices.Concat(group("commit"), group("select 1")), unknown + " Z(E) " + unknown, "1"},
		"two writes":                        {block, slices.Concat(group(write), group(write)), undone + " Z(E) " + undone, ""},
		"a failed block":                    {[]string{"begin", "insert into rows values (1)", "select 1/0"}, simple("rollback; " + write), unknown, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, sql := range append([]string{"select 1"}, c.before...) {
				s.client.query(t, sql)
				s.client.transcript(t, 1)
			}
			groups := strings.Count(c.want, "E(")
			s.expect(t, c.sent, groups, c.want, c.rows)
		})
	}
}

// What makes the value of a parameter, or of a constant, may write, whatever the
// statement is that has it.
func TestWhatAValueWritesIsNotDenied(t *testing.T) {
	t.Parallel()
	s := silence(t, "create table rows (n int); create function wrote() returns bool language plpgsql as 'begin insert into rows values (8); return true; end';"+
		"create domain writer as text check (wrote()); create type written as (w writer)")
	oid, err := strconv.ParseUint(ask(t, s.direct, "select 'writer'::regtype::oid::text"), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"select 1", "show work_mem", "", "select '(x)'::written"} {
		t.Run(sql, func(t *testing.T) {
			s.client.query(t, "select 1")
			s.client.transcript(t, 1)
			sent := []pgproto3.FrontendMessage{&pgproto3.Parse{Query: sql}, &pgproto3.Sync{}}
			if !strings.Contains(sql, "written") {
				sent = []pgproto3.FrontendMessage{&pgproto3.Parse{Query: sql, ParameterOIDs: []uint32{uint32(oid)}}, &pgproto3.Bind{Parameters: [][]byte{[]byte("x")}}, &pgproto3.Execute{}, &pgproto3.Sync{}}
			}
			s.expect(t, sent, 1, "E(08007)", "8")
		})
	}
}

// expect loses the answers to so many groups and compares what the client is told
// and what there is.
func (s *silenced) expect(t *testing.T, sent []pgproto3.FrontendMessage, groups int, want, rows string) {
	t.Helper()
	s.proxy.Script(muteGroups(groups))
	s.client.send(t, sent...)
	got := s.client.transcript(t, groups)
	s.proxy.Script(nil)
	if trimmed := strings.TrimSuffix(strings.TrimSuffix(got, " Z(I)"), " Z(E)"); trimmed != want {
		t.Errorf("got %q, want %q", got, want)
	}
	until(t, "the block to end", func() bool {
		s.client.query(t, "rollback")
		return strings.HasSuffix(s.client.transcript(t, 1), "Z(I)")
	})
	s.there(t, rows)
}

// there compares what there is in the database, and removes it.
func (s *silenced) there(t *testing.T, want string) {
	t.Helper()
	until(t, "all to end", func() bool {
		return ask(t, s.direct, "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'") == "0"
	})
	got := ask(t, s.direct, `select concat_ws(' ', (select string_agg(n::text, ' ' order by n) from rows),
		(select relname from pg_class where relname = 'made'), (select 'large object' from pg_largeobject_metadata limit 1))`)
	if got != want {
		t.Errorf("there is %q, want %q", got, want)
	}
	must(t, s.direct, "delete from rows; drop table if exists made; select lo_unlink(oid) from pg_largeobject_metadata")
}

// TestAnOpenGroupThatIsLostIsNotCommitted loses the connection while all of a
// group was answered but its Sync, which has not come. PostgreSQL undoes it, and
// the Sync must not pass for its end.
func TestAnOpenGroupThatIsLostIsNotCommitted(t *testing.T) {
	t.Parallel()
	s := silence(t, "create table rows (n int)")
	write := append(extended("insert into rows values (2)"), &pgproto3.Flush{})
	for name, c := range map[string]struct {
		before []string
		sent   []pgproto3.FrontendMessage
		want   string
		rows   string
	}{
		"a write":          {nil, write, "E(08006) Z(I)", ""},
		"a read":           {nil, append(extended("select 1"), &pgproto3.Flush{}), "E(08006) Z(I)", ""},
		"prepared":         {nil, []pgproto3.FrontendMessage{&pgproto3.Parse{Query: "select 1"}, &pgproto3.Flush{}}, "E(08006) Z(I)", ""},
		"in a block":       {[]string{"begin", "insert into rows values (1)"}, write, "E(08006) Z(E)", ""},
		"a COMMIT":         {[]string{"begin", "insert into rows values (1)"}, append(extended("commit"), &pgproto3.Flush{}), "E(08007) Z(E)", "1"},
		"a COMMIT outside": {nil, slices.Concat(extended("insert into rows values (2)"), extended("commit"), []pgproto3.FrontendMessage{&pgproto3.Flush{}}), "E(08007) Z(I)", "2"},
		"a procedure's":    {nil, append(extended("do 'begin insert into rows values (3); commit; end'"), &pgproto3.Flush{}), "E(08007) Z(I)", "3"},
		"a lock before":    {[]string{"begin", "select pg_advisory_lock(7)"}, write, "E(08006) EOF", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.client = s.g.raw(t)
			for _, sql := range append([]string{"select 1"}, c.before...) {
				s.client.query(t, sql)
				s.client.transcript(t, 1)
			}
			s.client.send(t, c.sent...)
			answers := 0
			for _, m := range c.sent {
				if _, flush := m.(*pgproto3.Flush); !flush {
					answers++
				}
			}
			if name == "a read" {
				answers++
			}
			if got := s.client.transcriptOf(t, answers); strings.Contains(got, "E(") {
				t.Fatalf("got %q", got)
			}
			s.proxy.Reset()
			s.client.send(t, &pgproto3.Sync{})
			if got := s.client.transcript(t, 1); got != c.want {
				t.Errorf("its Sync got %q, want %q", got, c.want)
			}
			s.thereRows(t, c.rows)
		})
	}
}

// thereRows compares the rows that there are, and removes them.
func (s *silenced) thereRows(t *testing.T, want string) {
	t.Helper()
	until(t, "all to end", func() bool {
		return ask(t, s.direct, "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'") == "0"
	})
	if got := ask(t, s.direct, "select coalesce(string_agg(n::text, ' ' order by n), '') from rows"); got != want {
		t.Errorf("there are rows %q, want %q", got, want)
	}
	must(t, s.direct, "delete from rows")
}

// TestACommitBoundEarlierIsNotTakenForARollback executes a portal that an earlier
// group of the block has bound.
func TestACommitBoundEarlierIsNotTakenForARollback(t *testing.T) {
	t.Parallel()
	s := silence(t, "create table rows (n int)")
	s.client.query(t, "begin; insert into rows values (1)")
	s.client.transcript(t, 1)
	s.client.send(t, &pgproto3.Parse{Query: "commit"}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{})
	s.client.transcript(t, 1)
	s.proxy.Script(muteGroups(1))
	s.client.send(t, &pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
	if got, want := s.client.transcript(t, 1), "E(08007) Z(E)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.proxy.Script(nil)
	s.thereRows(t, "1")
}
