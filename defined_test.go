// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/faultproxy"
	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// manners are the ways in which a client sends several texts.
var manners = map[string]func(r *raw, t *testing.T, texts []string){
	"simple":   func(r *raw, t *testing.T, texts []string) { r.sendEach(t, texts, true, false) },
	"extended": func(r *raw, t *testing.T, texts []string) { r.sendEach(t, texts, false, false) },
	"at once":  func(r *raw, t *testing.T, texts []string) { r.sendEach(t, texts, false, true) },
	"one text": func(r *raw, t *testing.T, texts []string) {
		r.query(t, strings.Join(texts, ";"))
		r.transcript(t, 1)
	},
	"one group": func(r *raw, t *testing.T, texts []string) {
		var group []pgproto3.FrontendMessage
		for _, text := range texts {
			group = append(group, &pgproto3.Parse{Query: text}, &pgproto3.Bind{}, &pgproto3.Execute{})
		}
		r.send(t, append(group, &pgproto3.Sync{})...)
		r.transcript(t, 1)
	},
}

// sendEach sends texts one by one, and waits for the answer of each or of all of them.
func (r *raw) sendEach(t *testing.T, texts []string, simple, atOnce bool) {
	t.Helper()
	waits := 0
	for _, text := range texts {
		if simple {
			r.query(t, text)
		} else {
			r.send(t, &pgproto3.Parse{Query: text}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
		}
		if waits++; !atOnce {
			r.transcript(t, 1)
			waits = 0
		}
	}
	if waits > 0 {
		r.transcript(t, waits)
	}
}

// leavesNothing sends texts, with | between them, in every manner through a gateway
// that has not seen anything, and looks for what that has left: with its client, as
// directly, and with another client nothing. A % in the texts is another name each time.
func leavesNothing(t *testing.T, url, alone, texts, find string) {
	t.Helper()
	for manner, send := range manners {
		if manner == "one text" && strings.HasPrefix(texts, "set ") {
			continue // it would be a part of one transaction
		}
		g := open(t, url, poolOf(1), waits(patience/2))
		direct, through, other := rawDirect(t, alone), g.raw(t), g.raw(t)
		list := strings.Split(strings.ReplaceAll(texts, "%", "_"+strings.ReplaceAll(manner, " ", "_")), "|")
		want := direct.named(t, find)[0]
		send(direct, t, list)
		send(through, t, list)
		if got := other.named(t, find)[0]; got != want {
			t.Errorf("%s: another client finds %q, want %q", manner, got, want)
		}
		if want, got := direct.named(t, find)[0], through.named(t, find)[0]; got != want {
			t.Errorf("%s: the client finds %q, directly %q", manner, got, want)
		}
		for _, r := range []*raw{direct, through, other} {
			_ = r.Close()
		}
		g.end(t)
	}
}

// What is made in a transaction calls what was there before.
func TestWhatIsMadeJustNowLeavesNothingToOthers(t *testing.T) {
	t.Parallel()
	const made = `create function setq(t text) returns text language plpgsql as $$begin perform set_config('q.tenant', t, false); return t; end$$;
create function creates() returns int language plpgsql as $$begin execute 'create or replace function created() returns text language sql as ''select setq(''''x'''')'''; return 1; end$$;`
	alone, url := database(t), database(t)
	testpg.Exec(t, alone, made)
	testpg.Exec(t, url, made)
	const q = "select coalesce(current_setting('q.tenant', true), '')"
	for name, texts := range map[string]string{
		"function":        "begin|create function g%() returns void language plpgsql as $$begin perform setq('x'); end$$|select g%()|commit",
		"function alone":  "create function g1%() returns void language plpgsql as $$begin perform setq('x'); end$$|select g1%()",
		"function, SQL":   "begin|create or replace function h%() returns text language sql as 'select setq(''x'')'|select h%()|commit",
		"trigger":         "begin|create table t% (n int)|create function tf%() returns trigger language plpgsql as $$begin perform setq('x'); return new; end$$|create trigger t before insert on t% for each row execute function tf%()|insert into t% values (1)|commit",
		"view":            "begin|create function v%() returns text language sql as $$select setq('x')$$|create view vv% as select v%()|select * from vv%|commit",
		"view of an old":  "begin|create view w% as select setq('x')|select * from w%|commit",
		"by a block":      "begin|do $x$begin create function d%() returns text language sql as $$select setq('x')$$; end$x$|select d%()|commit",
		"by a body":       "begin|select creates()|select created()|commit",
		"of another":      "begin|create function a%() returns text language sql as $$select setq('x')$$|create function b%() returns text language sql as $$select a%()$$|select b%()|commit",
		"the other first": "begin|create function f%() returns text language plpgsql as $$begin return l%(); end$$|create function l%() returns text language sql as $$select setq('x')$$|select f%()|commit",
		"savepoint":       "begin|create function s%() returns text language plpgsql as $$begin return setq('x'); end$$|savepoint a|select s%()|commit",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			leavesNothing(t, url, alone, texts, q)
		})
	}
}

// findTenant asks for a setting that a client has left.
const findTenant = "select coalesce(current_setting('app.tenant', true), '')"

// othersFind has clients, each on a connection of its own, ask what they find there.
func othersFind(t *testing.T, sql, want string, others ...*raw) {
	t.Helper()
	for _, other := range others {
		other.named(t, "begin")
		if got := other.named(t, sql)[0]; got != want {
			t.Errorf("another client finds %q, want %q", got, want)
		}
	}
}

// What a client makes is there for another in the middle of a transaction.
func TestWhatOthersMakeJustNowLeavesNothingToThird(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create function setq() returns text language sql as $$select set_config('q.tenant', 'x', false)$$")
	g := open(t, url, poolOf(2))
	one, two := g.raw(t), g.raw(t)
	one.named(t, "begin")
	two.named(t, "create function g() returns text language plpgsql as $$begin return setq(); end$$")
	one.named(t, "select g()")
	one.named(t, "commit")
	othersFind(t, "select coalesce(current_setting('q.tenant', true), '')", "", two, g.raw(t))
}

// What a client makes while the statement of another runs may be what that calls.
func TestWhatOthersMakeMeanwhileLeavesNothingToThird(t *testing.T) {
	t.Parallel()
	const define = "create or replace function inner_() returns void language plpgsql as $$begin "
	const nothing = "postgres  0"
	const find = "select concat(current_user, ' ', current_setting('app.tenant', true), ' ', (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()))"
	for name, left := range map[string]string{
		"role":    "set role pg_monitor",
		"setting": "perform set_config('app.tenant', 'a', false)",
		"lock":    "perform pg_advisory_lock(8)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t)
			holder, err := pgx.Connect(bounded(t), url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = holder.Close(bounded(t)) }()
			must(t, holder, define+"end$$; create function outer_() returns void language plpgsql as $$begin perform pg_advisory_xact_lock(7); perform inner_(); end$$")
			for _, messages := range [][]pgproto3.FrontendMessage{
				{&pgproto3.Query{String: "select outer_()"}},
				{&pgproto3.Parse{Query: "select outer_()"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}},
			} {
				must(t, holder, define+"end$$; select pg_advisory_lock(7)")
				g := open(t, url, poolOf(3))
				one, two, three := g.raw(t), g.raw(t), g.raw(t)
				one.send(t, messages...)
				until(t, "the function to wait", func() bool {
					return answers(t, holder, "select count(*)::text from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())") == "1"
				})
				two.named(t, define+left+"; end$$")
				must(t, holder, "select pg_advisory_unlock(7)")
				one.transcript(t, 1)
				othersFind(t, find, nothing, two, three)
				if got := one.named(t, find)[0]; got == nothing {
					t.Error("the client has lost what it did")
				}
				for _, r := range []*raw{one, two, three} {
					_ = r.Close()
				}
			}
		})
	}
}

// What a prepared transaction has defined is there when somebody commits it.
func TestWhatCommitPreparedMakesLeavesNothingToOthers(t *testing.T) {
	t.Parallel()
	url := testpg.New(t, pgserver.Options{Settings: map[string]string{"max_prepared_transactions": "5"}}).URL()
	for _, ends := range []string{"run", "query", "with more behind it"} {
		testpg.Exec(t, url, "create or replace function f() returns void language plpgsql as $$begin perform 1; end$$")
		g := open(t, url, poolOf(2))
		one, two := g.raw(t), g.raw(t)
		two.named(t, "begin")
		two.named(t, "create or replace function f() returns void language plpgsql as $$begin perform set_config('app.tenant', 'secret', false); end$$")
		two.named(t, "prepare transaction 'g'")
		one.named(t, "select 1") // the catalog is read
		holder := rawDirect(t, url)
		switch ends {
		case "run":
			two.send(t, group("commit prepared 'g'")...)
			two.transcript(t, 1)
		case "with more behind it":
			holder.named(t, "select pg_advisory_lock(7)")
			two.send(t, append(extended("commit prepared 'g'"), group("select pg_advisory_xact_lock(7)")...)...)
			until(t, "it to be committed", func() bool {
				return testpg.Exec(t, url, "select count(*)::text from pg_prepared_xacts")[0][0] == "0"
			})
		default:
			two.named(t, "commit prepared 'g'")
		}
		one.named(t, "select f()")
		_ = holder.Close()
		three := g.raw(t)
		t.Logf("committed by %s", ends) // shown where it fails
		if ends == "with more behind it" {
			two.transcript(t, 1)
		}
		othersFind(t, findTenant, "", two, three)
		for _, r := range []*raw{one, two, three} {
			_ = r.Close()
		}
	}
}

// What a client defines is there for others before all that it has sent is answered, and
// where a text commits it, before the text is.
func TestWhatIsDefinedInFrontOfMoreLeavesNothingToOthers(t *testing.T) {
	t.Parallel()
	const define = "create or replace function f() returns void language plpgsql as $$begin perform set_config('app.tenant', 'secret', false); end$$"
	const wait = "select pg_advisory_xact_lock(7)"
	url := database(t)
	holder, err := pgx.Connect(bounded(t), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Close(bounded(t)) }()
	must(t, holder, "create procedure defines() language plpgsql as $x$begin execute $y$"+define+"$y$; commit; perform pg_advisory_xact_lock(7); end$x$")
	for name, messages := range map[string][]pgproto3.FrontendMessage{
		"groups":         slices.Concat(group(define), group(wait)),
		"queries":        slices.Concat(simple(define), simple(wait)),
		"a text":         simple("begin; " + define + "; commit; " + wait),
		"implicitly":     simple(define + "; commit; " + wait),
		"a block":        slices.Concat(simple("begin; "+define), simple("commit"), simple(wait)),
		"in one group":   slices.Concat(simple("begin; "+define), extended("commit"), group(wait)),
		"a procedure":    simple("call defines()"),
		"an extended DO": group("do $x$begin execute $y$" + define + "$y$; commit; perform pg_advisory_xact_lock(7); end$x$"),
	} {
		must(t, holder, "create or replace function f() returns void language plpgsql as $$begin end$$")
		must(t, holder, "select pg_advisory_lock(7)")
		g := open(t, url, poolOf(2))
		one, two := g.raw(t), g.raw(t)
		one.named(t, "select f()") // the catalog is read
		two.send(t, messages...)
		until(t, "the definition to be there", func() bool {
			return answers(t, holder, "select count(*)::text from pg_proc where proname = 'f' and prosrc like '%secret%'") == "1" &&
				answers(t, holder, "select count(*)::text from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())") == "1"
		})
		one.named(t, "select f()")
		must(t, holder, "select pg_advisory_unlock(7)")
		three := g.raw(t)
		t.Logf("in %s", name) // shown where it fails
		othersFind(t, findTenant, "", three)
		if got := one.named(t, findTenant)[0]; got != "secret" {
			t.Errorf("the client finds %q", got)
		}
		for _, r := range []*raw{one, two, three} {
			_ = r.Close()
		}
	}
}

// A client that does not read what it has asked for keeps weir from hearing that what it has
// defined is there.
func TestWhatIsDefinedBehindRowsThatNobodyReadsLeavesNothingToOthers(t *testing.T) {
	t.Parallel()
	const define = "create or replace function f() returns void language plpgsql as $$begin perform set_config('app.tenant', 'secret', false); end$$"
	const rows = "select repeat('x', 50000) from generate_series(1, 200)"
	url := database(t)
	for name, messages := range map[string][]pgproto3.FrontendMessage{
		"groups":  slices.Concat(group(rows), group(define)),
		"queries": slices.Concat(simple(rows), simple(define)),
		"a text":  simple(rows + "; " + define),
		"a group": slices.Concat(extended(rows), group(define)),
	} {
		testpg.Exec(t, url, "create or replace function f() returns void language plpgsql as $$begin end$$")
		g := open(t, url, poolOf(2))
		one, two := g.raw(t), g.raw(t)
		if err := two.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		one.named(t, "select f()") // the catalog is read
		two.send(t, messages...)
		there := func() bool {
			return testpg.Exec(t, url, "select count(*)::text from pg_proc where proname = 'f' and prosrc like '%secret%'")[0][0] == "1"
		}
		groups := len(messages) - len(slices.DeleteFunc(slices.Clone(messages), func(m pgproto3.FrontendMessage) bool {
			switch m.(type) {
			case *pgproto3.Query, *pgproto3.Sync:
				return true
			}
			return false
		}))
		for ended := 0; !there(); { // up to where the rest fits into buffers
			m, err := two.front.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := m.(*pgproto3.ReadyForQuery); ok {
				if ended++; ended == groups {
					t.Fatalf("%s: all was read before the definition was there", name)
				}
			}
		}
		one.named(t, "select f()")
		three := g.raw(t)
		t.Logf("in %s", name) // shown where it fails
		othersFind(t, findTenant, "", three)
		for _, r := range []*raw{one, two, three} {
			_ = r.Close()
		}
	}
}

// What was defined where the connection was lost with the answer is there.
func TestWhatALostStatementMakesLeavesNothingToOthers(t *testing.T) {
	t.Parallel()
	url := database(t)
	for _, texts := range [][]string{{"%"}, {"begin", "%", "commit"}} {
		testpg.Exec(t, url, "create or replace function f() returns void language plpgsql as $$begin perform 1; end$$")
		proxy, through := distant(t, url, 0)
		g := open(t, through, poolOf(2))
		one, two := g.raw(t), g.raw(t)
		one.named(t, "select f()") // the catalog is read
		tag := "CREATE FUNCTION"
		if len(texts) > 1 {
			tag = "COMMIT"
		}
		lost := make(chan struct{})
		proxy.Script(func(m *faultproxy.Message) faultproxy.Fate {
			if m.From != faultproxy.Upstream || !bytes.Contains(m.Bytes, []byte(tag)) {
				return faultproxy.Live
			}
			m.Bytes = nil
			close(lost)
			return faultproxy.Reset
		})
		for _, text := range texts {
			two.named(t, strings.Replace(text, "%", "create or replace function f() returns void language plpgsql as $$begin perform set_config('app.tenant', 'secret', false); end$$", 1))
		}
		<-lost
		proxy.Script(nil)
		two.named(t, "rollback")
		one.named(t, "select f()")
		three := g.raw(t)
		t.Logf("in %d texts", len(texts)) // shown where it fails
		othersFind(t, findTenant, "", two, three)
		for _, r := range []*raw{one, two, three} {
			_ = r.Close()
		}
	}
}

// Event triggers are called by whatever defines something, also by bodies.
func TestEventTriggersLeaveNothingToOthers(t *testing.T) {
	t.Parallel()
	const made = `create table gt (n int); create materialized view mv as select 1 as n; create table watched (n int);
create function creates(n text) returns int language plpgsql as $$begin execute format('create table %I (n int)', n); return 1; end$$;
create function grants() returns int language plpgsql as $$begin grant select on gt to public; return 1; end$$;
create function revokes() returns int language sql as 'revoke select on gt from public; select 1';
create function comments() returns int language plpgsql as $$begin comment on table gt is 'x'; return 1; end$$;
create function refreshes() returns int language plpgsql as $$begin refresh materialized view mv; return 1; end$$;
create function dynamic(n text) returns int language plpgsql as $$begin execute format('comment on table %I is ''y''', n); return 1; end$$;
create function outer_() returns int language sql as 'select grants()';
create procedure proc() language plpgsql as $$begin grant select on gt to public; end$$;
create function fires() returns trigger language plpgsql as $$begin comment on table gt is 'z'; return new; end$$;
create trigger t before insert on watched for each row execute function fires();
create function tag() returns event_trigger language plpgsql as $$begin perform set_config('audit.tag', tg_tag, false); end$$;
create event trigger et on ddl_command_end execute function tag();`
	alone, url := database(t), database(t)
	testpg.Exec(t, alone, made)
	testpg.Exec(t, url, made)
	for name, texts := range map[string]string{
		"select into":      "select 1 as a into i%",
		"with, into":       "with x as (select 1 as a) select * into w% from x",
		"into, insert":     "select 1 insert into j%",
		"block, comment":   "do $$begin comment on table gt is 'x'; end$$",
		"block, create":    "do $$begin create table d% (n int); end$$",
		"block, calls":     "do $$begin perform grants(); end$$",
		"procedure":        "call proc()",
		"grant":            "select grants()",
		"revoke":           "select revokes()",
		"comment":          "select comments()",
		"refresh":          "select refreshes()",
		"create":           "select creates('c%')",
		"comment, dynamic": "select dynamic('gt')",
		"through another":  "select outer_()",
		"trigger":          "insert into watched values (1)",
		"made just now":    "begin|create function n%() returns int language plpgsql as $$begin grant select on gt to public; return 1; end$$|select n%()|commit",
		"prepared by SQL":  "prepare p as select grants()|execute p|deallocate p",
	} {
		// One after the other: of two GRANTs on one table at once, PostgreSQL refuses one
		// ("tuple concurrently updated").
		t.Run(name, func(t *testing.T) {
			leavesNothing(t, url, alone, texts, "select coalesce(current_setting('audit.tag', true), '')")
		})
	}
}

// Whatever makes a table where the search_path begins with pg_temp makes a temporary one.
func TestTablesOfQueriesAreTemporaryWhereThePathSaysSo(t *testing.T) {
	t.Parallel()
	alone, url := database(t), database(t)
	g := open(t, url, poolOf(2))
	const foo = "select count(*) from pg_class where relnamespace = pg_my_temp_schema() and relkind = 'r'"
	for _, texts := range []string{
		"set search_path = pg_temp, public|explain analyze create table foo as select 1 as a",
		"set search_path = pg_temp, public|explain (costs off, analyze) create table if not exists foo as select 1 as a",
		`set search_path = pg_temp, public|explain ("analyze") create table foo as select 1 as a`,
		"set search_path = pg_temp, public|explain (analyze) select 1 as a into foo",
		"begin|select set_config('search_path', 'pg_temp', true)|explain analyse create table foo as select 1 as a|commit",
		"set search_path = pg_temp, public|select 1 as insert into foo",
		"set search_path = pg_temp, public|select (1) merge into foo",
	} {
		for _, manner := range []string{"simple", "extended"} {
			direct, through, other := rawDirect(t, alone), g.raw(t), g.raw(t)
			manners[manner](direct, t, strings.Split(texts, "|"))
			manners[manner](through, t, strings.Split(texts, "|"))
			g.pins(t, 1)
			if want, got := direct.named(t, foo)[0], through.named(t, foo)[0]; got != want || got != "1" {
				t.Errorf("%s, %s: the client finds %s, directly %s", texts, manner, got, want)
			}
			if got := other.named(t, foo)[0]; got != "0" {
				t.Errorf("%s, %s: another client finds %s", texts, manner, got)
			}
			for _, r := range []*raw{direct, through, other} {
				_ = r.Close()
			}
			g.pins(t, 0)
		}
	}
}
