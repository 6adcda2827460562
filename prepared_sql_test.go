// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestNamesOfSQLAndOfTheProtocolAreOne says the same to PostgreSQL and to weir: what
// Parse has named SQL finds, and the other way round, and a name is given once.
func TestNamesOfSQLAndOfTheProtocolAreOne(t *testing.T) {
	t.Parallel()
	upstream := database(t)
	g := open(t, upstream, poolOf(2))
	for name, steps := range map[string][]string{
		"PREPARE of a name that Parse has given": {
			"parse s0 protocol", "prepare s0 as select 'sql'", "run s0", "execute s0",
			"deallocate s0; prepare s0 as select 'sql'; execute s0", "run s0", "parse s0 protocol", "deallocate s0", "run s0",
		},
		"Parse of a name that PREPARE has given": {
			"prepare s0 as select 'sql'", "parse s0 protocol", "run s0",
			"parse s1 protocol", "run s1", "prepare s1 as select 'sql'", "execute s1", "close s1", "prepare s1 as select 'sql'", "execute s1",
			"deallocate s0", "parse s0 protocol", "run s0", "execute s0",
			"deallocate all", "parse s0 last", "run s0", "execute s1", "execute s0",
		},
		"Close of a name that PREPARE has given": {
			"prepare s0 as select 'sql'", "close s0", "execute s0", "parse s0 protocol", "run s0",
			"begin", "prepare s1 as select 'sql'", "rollback", "execute s1", "parse s1 protocol", "close s1", "parse s1 protocol", "execute s1",
		},
		"a failed block": {
			"parse s0 protocol", "begin", "execute s0", "execute nobody", "execute s0", "run s0", "rollback", "execute s0", "deallocate s0; select 5", "run s0",
		},
		"a name of weir's": {"parse s0 protocol", "run s0", "execute weir_1", "deallocate weir_1", "run s0", "parse weir_1 mine", "run weir_1", "execute weir_1"},
		"a failed block that ends in the same text": {
			"parse s0 protocol", "begin", "select 1/0", "rollback; execute s0", "begin", "select 1/0", "commit; execute s0; execute s0",
			"begin", "savepoint a", "select 1/0", "rollback to a; execute s0", "select 1/0", "rollback to nosuch; execute s0", "execute s0", "rollback to a; execute s0; select 1/0; execute s0", "abort and chain; execute s0; select nosuch", "rollback;;",
			"begin", "select 1/0", "rollback; execute s0; selec 1", "rollback foo; execute s0", "select 1; rollback; execute s0", " -- ünü\n\trollback; execute s0; select 'ü', nosuch",
			"begin", "select 1/0", "rollback; execute nobody", "begin", "select 1/0", "end; deallocate s0; execute s0", "run s0",
			"parse s0 again", "begin", "select 1/0", "close s0", "rollback; execute s0", "parse s0 last", "begin", "select 1/0", "execute s0; rollback", "run s0", "rollback; prepare s0 as select 1",
			"begin", "select 1/0", "prepare transaction 'x'; execute s0", "execute s0", "begin", "select 1/0", "rollback; reset datestyle; execute s0; show datestyle",
			"parse  unnamed", "begin", "select 1/0", "rollback to a; execute s0", "run ", "rollback",
		},
		"what executes another is described": {
			"parse s0 protocol", "define e execute s0", "describe e", "run e", "close s0", "describe e", "run e", "portal e s0", "parse s0 again", "describe e", "portal e s0", "run e", "portal e s0",
			"define e2 execute nobody", "describe e2", "portal e2 nobody", "parse nobody late", "describe e2", "run e2", "close nobody", "describe e2",
			"define s1 insert into pg_class select from pg_class where false", "define e3 execute s1", "describe e3", "close s1", "describe e3",
			"parse s0 third", "define e4 explain execute s0", "describe e4", "define  execute s0", "describe ", "deallocate s0", "describe e4", "describe ", "run e4",
			"prepare s0 as select 'sql'", "define e5 execute s0", "describe e5", "run e5", "close s0",
			"parse s0 last", "begin", "describe e", "close s0", "describe e", "rollback",
		},
		"the failed block ends, and the end of a block is executed": {
			"define r release a", "define c commit", "define a abort", "define p savepoint a", "define v vacuum", "begin", "select 1/0", "rollback; execute r", "begin", "select 1/0", "rollback; execute c",
			"begin", "select 1/0", "commit; execute a", "begin", "select 1/0", "end; execute p", "begin", "savepoint a", "select 1/0", "rollback to a; execute r", "select 1/0", "rollback; execute v",
			"begin", "select 1/0", "rollback and chain; execute c", "begin", "select 1/0", "rollback; execute c; select 5",
		},
		"a name in escapes": {
			"parse s0 protocol", `execute U&"s\0030"`, `deallocate U&"\0073\+000030"`, "run s0", "parse s0 again", `explain (costs off) execute u&"s0"`, `prepare U&"\0073\0031" as select 'sql'`, "execute s1", "run s1", "parse s1 new",
		},
		"names like weir's by PREPARE": {
			"parse s0 protocol", "run s0", "prepare weir_1 as select 'sql 1'", "prepare weir_2 as select 'sql 2'", "prepare weir_3 as select 'sql 3'", `prepare "weir_=" as select 'sql ='`, `prepare "weir_!" as select 'sql !'`,
			"run s0", "parse s1 one", "run s1", "parse s2 two", "run s2", "execute weir_1", "execute weir_2", `execute "weir_="`, "run weir_3", "set datestyle = german", "parse s2 again", "run s1",
			"close weir_1", "execute weir_1", "parse weir_1 mine", "run weir_1", "execute weir_1", "deallocate weir_2", "run weir_2", `execute "weir_="`, `deallocate "weir_!"`, `run weir_!`,
		},
		"names like weir's of portals": {
			"parse s0 protocol", "run s0", "set datestyle = german", "begin", `declare "weir_=" cursor for select 'portal'`, `declare "weir_+" cursor for select 'portal'`,
			"run s0", `fetch "weir_="`, `fetch "weir_+"`, "commit",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct, through := rawDirect(t, upstream), g.raw(t)
			for i, step := range steps {
				want, got := direct.named(t, step), through.named(t, step)
				if !slices.Equal(got, want) {
					t.Fatalf("%q after %q: %q through weir, %q directly", step, steps[:i], got, want)
				}
			}
		})
	}
}

// TestNobodyReachesAStatementByWeirsNameOfIt lets a client read what weir calls the
// statements of all, and use those names in every way.
func TestNobodyReachesAStatementByWeirsNameOfIt(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	owner, other := g.raw(t), g.raw(t)
	owner.named(t, "parse s0 secret")
	expect := func(r *raw, step string, want ...string) {
		t.Helper()
		if got := r.named(t, step); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", step, got, want)
		}
	}
	expect(owner, "run s0", "secret", "SELECT 1", "I")
	said := other.named(t, "select name from pg_prepared_statements where statement ~ 'secret' and name <> ''")
	if len(said) != 3 {
		t.Fatalf("pg_prepared_statements has %q, want one statement", said)
	}
	name := said[0]
	for range 2 { // the owner has the statement prepared again
		absent := `26000 prepared statement "` + name + `" does not exist`
		expect(other, "execute "+name, absent, "I")
		expect(owner, "run s0", "secret", "SELECT 1", "I")
		expect(other, "deallocate "+name, absent, "I")
		expect(owner, "run s0", "secret", "SELECT 1", "I")
		expect(other, "run "+name, absent, "I")
		expect(owner, "run s0", "secret", "SELECT 1", "I")
		expect(other, "close "+name, "I")
		expect(owner, "run s0", "secret", "SELECT 1", "I")
		expect(other, "explain execute "+name, absent, "I")
		expect(owner, "run s0", "secret", "SELECT 1", "I")
	}
	expect(other, "parse "+name+" mine", "I")
	expect(other, "run "+name, "mine", "SELECT 1", "I")
	expect(owner, "run s0", "secret", "SELECT 1", "I")
	expect(other, "execute "+name, `26000 prepared statement "`+name+`" does not exist`, "I")
	const refused = "42939 a prepared statement may not have a name that weir gives to its own"
	expect(other, "prepare "+name+" as select 'sql'", refused, "I")
	expect(other, "begin", "BEGIN", "T")
	expect(other, "select 1; prepare "+name+" as select 'sql'", refused, "E")
	expect(other, "rollback", "ROLLBACK", "I")
	expect(other, "run "+name, "mine", "SELECT 1", "I")
	expect(other, "prepare s0 as select 'sql'", "PREPARE", "I") // keeps the connection
	expect(other, "close "+name, "I")
	expect(other, "parse "+name+" again", "I")
	expect(other, "run "+name, "again", "SELECT 1", "I")
	expect(other, "deallocate "+name, "DEALLOCATE", "I")
	expect(other, "deallocate s0", "DEALLOCATE", "I")
	expect(owner, "run s0", "secret", "SELECT 1", "I")
}

// named does one step about a prepared statement, in a group of its own, and returns
// what is said: rows, and errors with their words.
func (r *raw) named(t *testing.T, step string) (said []string) {
	t.Helper()
	verb, rest, _ := strings.Cut(step, " ")
	name, value, _ := strings.Cut(rest, " ")
	switch verb {
	case "parse":
		r.send(t, &pgproto3.Parse{Name: name, Query: "select '" + value + "'"}, &pgproto3.Sync{})
	case "define":
		r.send(t, &pgproto3.Parse{Name: name, Query: value}, &pgproto3.Sync{})
	case "run":
		r.send(t, &pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}, &pgproto3.Sync{})
	case "describe":
		r.send(t, &pgproto3.Describe{ObjectType: 'S', Name: name}, &pgproto3.Sync{})
	case "portal":
		r.send(t, &pgproto3.Bind{PreparedStatement: name}, &pgproto3.Close{ObjectType: 'S', Name: value}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Sync{})
	case "close":
		r.send(t, &pgproto3.Close{ObjectType: 'S', Name: name}, &pgproto3.Sync{})
	default:
		r.query(t, step)
	}
	for {
		m, err := r.front.Receive()
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		switch m := m.(type) {
		case *pgproto3.DataRow:
			for _, v := range m.Values {
				said = append(said, string(v))
			}
		case *pgproto3.RowDescription:
			if verb == "describe" || verb == "portal" {
				said = append(said, fmt.Sprint("columns ", len(m.Fields)))
			}
		case *pgproto3.NoData:
			said = append(said, "no data")
		case *pgproto3.CommandComplete:
			said = append(said, string(m.CommandTag))
		case *pgproto3.ErrorResponse:
			said = append(said, m.Code+" "+m.Message)
			if m.Position > 0 {
				said = append(said, fmt.Sprint("at ", m.Position))
			}
		case *pgproto3.ReadyForQuery:
			return append(said, string(m.TxStatus))
		}
	}
}

// TestBodiesFindWhatTheirClientHasPrepared says the same to PostgreSQL and to weir,
// where another client has given the names to other statements before.
func TestBodiesFindWhatTheirClientHasPrepared(t *testing.T) {
	t.Parallel()
	alone, upstream := database(t), database(t)
	g := open(t, upstream, poolOf(2))
	other := g.raw(t)
	for _, r := range []*raw{other, rawDirect(t, alone)} {
		for _, sql := range []string{
			"create table notes (note text)",
			"create function runs() returns int language plpgsql as $$begin execute 'execute s0'; return 1; end$$",
			"create function calls() returns int language sql as 'select runs()'",
			"create view viewed as select calls()",
			"create function frees() returns int language plpgsql as $$begin deallocate prepare s0; return 1; end$$",
			"create function names() returns int language plpgsql as $$begin execute 'prepare s0 as select 1'; return 1; end$$",
		} {
			r.named(t, sql)
		}
	}
	const insert, look = "define s0 insert into notes values ('mine') returning note", "select string_agg(note, ' ') from notes"
	for name, steps := range map[string][]string{
		"DO":                 {insert, "do $$begin execute 'execute s0'; end$$", "do $$begin execute 'exec' || 'ute s0'; end$$", look, "run s0", "close s0", "do $$begin execute 'execute s0'; end$$", look},
		"a function":         {insert, "select runs()", look, "begin", "select calls()", "select from viewed", "commit", look, "close s0", "select runs()"},
		"extended":           {insert, "define s1 select calls()", "run s1", "begin", "run s1", "commit", look, "close s0", "run s1", insert, "run s1", look},
		"absent":             {"select runs()", "do $$begin execute 'execute s0'; end$$", "begin", "select calls()", "rollback; select calls()"},
		"what it frees":      {insert, "do $$begin execute 'deallocate s0'; end$$", "run s0", insert, "select frees()", "run s0", "select frees()", "parse s0 new", "run s0"},
		"what it names":      {insert, "select names()", "run s0", "close s0", "select names()", "parse s0 new", "execute s0", "close s0", "select names()"},
		"all":                {insert, "do $$begin execute 'deallocate all'; end$$", "run s0", "do $$begin execute 'execute s0'; end$$"},
		"what the body made": {"do $$begin execute 'prepare s0 as select 1'; execute 'execute s0'; end$$", "execute s0"},
	} {
		for _, step := range []string{"begin", "define s0 insert into notes values ('theirs')", "execute s0", "rollback", "close s0"} {
			other.named(t, step)
		}
		direct, through := rawDirect(t, alone), g.raw(t)
		for i, step := range append([]string{"truncate notes"}, steps...) {
			want, got := direct.named(t, step), through.named(t, step)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q after %q: %q through weir, %q directly", name, step, steps[:max(i-1, 0)], got, want)
				break
			}
		}
		_, _ = direct.Close(), through.Close()
	}
}

// TestNoBodyRunsWhatAnotherHasPrepared lets a body that makes names up run all that
// pg_prepared_statements lists.
func TestNoBodyRunsWhatAnotherHasPrepared(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	owner, other := g.raw(t), g.raw(t)
	owner.named(t, "create table notes (note text)")
	owner.named(t, "define s0 insert into notes values ('mine')")
	const runAll = `do $$declare n text; begin for n in select name from pg_prepared_statements where statement ~ 'mine' and name <> '' loop execute 'execute ' || quote_ident(n); end loop; end$$`
	for _, sql := range []string{runAll, "parse  x", "define u " + runAll, "run u"} {
		other.named(t, sql)
	}
	_ = other.Close()
	owner.named(t, "run s0")
	if got := owner.named(t, "select count(*) from notes"); got[0] != "1" {
		t.Errorf("the statement of one client has run %s times, want 1", got[0])
	}
}
