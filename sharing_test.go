// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	neturl "net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// Statements are shared only where nobody can tell. Each case is what two or three
// clients do, once on PostgreSQL itself and once through weir, and all that they
// get must be the same.
//
// A step is a client's letter and what it sends: SQL, as a simple query;
// "prepare NAME SQL" and "run NAME", each a group; "new NAME SQL", both in one;
// "bare NAME SQL", the same without asking for the columns;
// "unnamed SQL", which is prepared only, and "rerun", which runs that;
// "together SQL | NAME SQL", an unnamed and a new one in one write. Client x is connected to PostgreSQL either way. Where there is a
// client h, the pool is of two: in its block h keeps the connection on which the
// others have prepared.
var sharing = map[string]struct {
	steps []string
}{
	"timezone":            twoSessions("set timezone to 'UTC'", "set timezone to 'America/New_York'", "select extract(epoch from timestamptz '2024-07-01')"),
	"datestyle":           twoSessions("set datestyle to 'ISO, DMY'", "set datestyle to 'ISO, MDY'", "select date '01/02/2024' - date '2024-01-01'"),
	"intervalstyle":       twoSessions("set intervalstyle to 'postgres'", "set intervalstyle to 'sql_standard'", "select extract(epoch from interval '-1 2:03:04')"),
	"transform null":      twoSessions("set transform_null_equals to on", "set transform_null_equals to off", "select count(*) from (values (null::int)) v (a) where a = null"),
	"null in arrays":      twoSessions("set array_nulls to off", "set array_nulls to on", "select ('{null}'::text[])[1] is null"),
	"xmloption":           twoSessions("set xmloption to content", "set xmloption to document", "select xml 'abc'"),
	"digits of a float":   twoSessions("set extra_float_digits to -10", "set extra_float_digits to 3", "select (0.1::float8 + 0.2::float8)::text"),
	"bytea output":        twoSessions("set bytea_output to escape", "set bytea_output to hex", "select '\\x41'::bytea::text"),
	"search_path":         twoSessions("set search_path to sa", "set search_path to sb", "select * from st"),
	"role":                twoSessions("set role alice", "set role bob", "select mine()"),
	"authorization":       twoSessions("set session authorization alice", "set session authorization bob", "select mine()"),
	"authorization alone": twoSessions("select 1", "set session authorization bob", "select mine()"),
	"placeholder":         twoSessions("set app.tenant to 'a'", "set app.tenant to 'b'", "select tenant()"),
	"set_config":          twoSessions("select set_config('app.tenant', 'a', false)", "select set_config('app.tenant', 'b', false)", "select tenant()"),
	"plan":                twoSessions("set enable_seqscan to off", "select 1", "select n from falling where n > 0 limit 1"),
	"plan of others":      twoSessions("select 1", "set enable_seqscan to off", "select n from falling where n > 0 limit 1"),

	"role, for the transaction": {[]string{
		"a set role alice", "a new s select mine()", "a run s",
		"b set role alice", "b prepare s select mine()", "b begin", "b set local role bob", "b run s", "b rollback", "b run s",
		"c set role alice", "c begin", "c set local role bob", "c new s select mine()", "c rollback", "c run s",
	}},
	"authorization, for the transaction": {[]string{
		"a new s select mine()", "a run s",
		"b prepare s select mine()", "b begin", "b set local session authorization bob", "b run s", "b rollback",
		"c begin", "c set local session authorization bob", "c new s select mine()", "c rollback",
	}},
	"plan, for the transaction": {[]string{
		"a begin", "a set local enable_seqscan to off", "a new s select n from falling where n > 0 limit 1", "a commit",
		"b new s select n from falling where n > 0 limit 1", "b run s",
		"c new s select n from falling where n > 0 limit 1", "c begin", "c set local enable_seqscan to off", "c new t select n from falling where n > 0 limit 1", "c commit",
	}},
	"set_config, for the transaction": {[]string{
		"a begin", "a select set_config('app.tenant', 'a', true)", "a new s select tenant()", "a commit",
		"b begin", "b select set_config('app.tenant', 'b', true)", "b new s select tenant()", "b commit",
		"c begin", "c select set_config('app.tenant', 'b', true)", "c new s select tenant()", "c commit",
	}},
	"set in a block": {[]string{
		"a new s select tenant()", "a run s",
		"b begin", "b set app.tenant to 'b'", "b new s select tenant()", "b commit",
		"a begin", "a set app.tenant to 'c'", "a new t select tenant()", "a commit", "a new u select tenant()",
	}},
	"role in a block": {[]string{
		"a new s select mine()", "a run s",
		"b begin", "b set role bob", "b new s select mine()", "b rollback", "b new s select mine()",
	}},
	"role for a statement that is there": {[]string{
		"a set role alice", "a new s select mine()", "a run s",
		"b set role alice", "b prepare s select mine()", "b set role bob", "b run s",
	}},
	"placeholder for a statement that is there": {[]string{
		"a set app.tenant to 'a'", "a new s select tenant()", "a run s",
		"b set app.tenant to 'a'", "b prepare s select tenant()", "b set app.tenant to 'b'", "b run s",
		"c set app.tenant to 'a'", "c new s select tenant()",
	}},
	"unnamed": {[]string{
		"a set app.tenant to 'a'", "a unnamed select tenant()", "a rerun",
		"b set app.tenant to 'a'", "b unnamed select tenant()",
		"b prepare s set app.tenant to 'b'", "b run s", "b rerun", "c set app.tenant to 'b'", "c unnamed select tenant()", "c rerun",
	}},
	"by SQL's EXECUTE": {[]string{
		"a set role alice", "a prepare s select mine()", "a execute s",
		"b set role alice", "b prepare s select mine()", "b begin", "b set local role bob", "b execute s", "b rollback",
		"c set role alice", "c prepare s select mine()", "c set role bob", "c execute s",
	}},
	"sent together": {[]string{
		"a new s select n from falling where n > 0 limit 1",
		"b together set enable_seqscan to off | s select n from falling where n > 0 limit 1",
		"c new s select n from falling where n > 0 limit 1", "c run s",
	}},
	"search_path twice in a block": {[]string{
		"a begin", "a set search_path to sa", "a new s1 select * from st", "a set search_path to sb", "a new s2 select * from st", "a commit",
	}},
	"search_path for the transaction": {[]string{
		"a set search_path to sa", "a new s select * from st", "a run s",
		"a begin", "a set local search_path to sb", "a new s2 select * from st", "a commit", "a run s", "a new s3 select * from st",
	}},
	"search_path by set_config": {[]string{
		"a set search_path to sa", "a new s select * from st", "a run s",
		"a begin", "a select set_config('search_path', 'sb', true)", "a new s2 select * from st", "a commit", "a run s",
	}},
	"alter in a block": {[]string{
		"a create table w (a int)", "a insert into w values (1)", "a new s select * from w",
		"a begin", "a alter table w add b int default 2", "a new s2 select * from w", "a rollback", "a new s3 select * from w", "a run s",
	}},
	"alter in a block, kept": {[]string{
		"a create table w2 (a int)", "a insert into w2 values (1)", "a new s select * from w2",
		"a begin", "a alter table w2 add b int default 2", "a new s2 select * from w2", "a commit", "a new s3 select * from w2", "b new s select * from w2",
	}},
	"temporary table in a block": {[]string{
		"a create table v (a int)", "a new s select * from v",
		"a begin", "a create temp table v (a int, b int)", "a new s2 select * from v", "a rollback", "a new s3 select * from v",
	}},
	"temporary table": {[]string{
		"a create table v2 (a int)", "a new s select * from v2",
		"a create temp table v2 (a int, b int)", "a new s2 select * from v2", "a drop table pg_temp.v2", "a new s3 select * from v2", "b new s select * from v2",
	}},
	"temporary table by DO": {[]string{
		"a create table v3 (a int)", "a new s select * from v3",
		"a begin", "a do $$begin execute 'create temp table v3 (a int, b int)'; end$$", "a new s2 select * from v3", "a rollback", "a new s3 select * from v3",
	}},
	"constants, elsewhere":                       elsewhere("set timezone to 'UTC'", "set timezone to 'Asia/Tokyo'", "show timezone", "select extract(epoch from timestamptz '2024-07-01')"),
	"a date that is none, elsewhere":             elsewhere("set datestyle to 'ISO, DMY'", "set datestyle to 'ISO, MDY'", "show datestyle", "select date '13/02/2024' - date '2024-01-01'"),
	"null in arrays, elsewhere":                  elsewhere("set array_nulls to off", "reset array_nulls", "show array_nulls", "select ('{null}'::text[])[1] is null"),
	"tables of a path, elsewhere":                elsewhere("set search_path to sa", "set search_path to sb, sa", "show search_path", "select a from sa.st, secret"),
	"quoted path, elsewhere":                     elsewhere(`set search_path to "$user", sa`, `set search_path to 'it''s', "$user", sa`, "show search_path", "select 1 from sa.st"),
	"role, elsewhere":                            elsewhere("set role alice", "set role bob", "select current_user", "select mine()"),
	"role that may not see the table, elsewhere": elsewhere("select 1", "set role bob", "select current_user", "select count(*) from hidden.secret"),
	"role of a role, elsewhere":                  elsewhere("set session authorization alice", "set session authorization bob", "select current_user, session_user", "select current_user"),
	"placeholder, elsewhere":                     elsewhere("set app.tenant to 'a'", "set app.tenant to 'b'", "show app.tenant", "select tenant()"),
	"empty path, elsewhere":                      elsewhere("set search_path to ''", "set search_path to sa", "show search_path", "select a from sa.st"),
	"savepoint, elsewhere": {[]string{
		"a set timezone to 'UTC'", "a prepare s select extract(epoch from timestamptz '2024-07-01')", "h begin", "h select 1",
		"a begin", "a savepoint x", "a set timezone to 'Asia/Tokyo'", "a run s", "a show timezone", "a rollback to x", "a show timezone", "a run s", "a commit", "a show timezone", "h rollback",
	}},
	"a failing statement, elsewhere": {[]string{
		"a create table goes (n int)", "a set timezone to 'UTC'", "a prepare s select n, timestamptz '2024-07-01' from goes", "h begin", "h select 1",
		"a set timezone to 'Asia/Tokyo'", "a alter table goes rename to gone", "a run s", "a show timezone", "a select 1", "h rollback",
	}},
	"unnamed, elsewhere": {[]string{
		"a set timezone to 'UTC'", "a prepare z set timezone to 'Asia/Tokyo'", "a unnamed select extract(epoch from timestamptz '2024-07-01')", "h begin", "h select 1", "a run z", "a rerun", "a show timezone", "h rollback",
	}},
	"changed by others": {[]string{
		"a create table w (a int)", "a insert into w values (1)", "a new s select * from w", "x alter table w add b int default 2",
		"b bare s select * from w", "a begin", "a run s", "a rollback",
	}},
	"changed by others, prepared outside a block": {[]string{
		"a create table w2 (a int)", "a insert into w2 values (1)", "a new s select * from w2", "x alter table w2 add b int default 2",
		"b prepare s select * from w2", "b begin", "b select 1", "b run s", "b rollback", "b run s", "a begin", "a run s", "a rollback",
	}},
	"changed by others, in the first statement of a block": {[]string{
		"a create table w3 (a int)", "a insert into w3 values (1)", "a new s select * from w3", "x alter table w3 add b int default 2",
		"b begin", "b bare s select * from w3", "b run s", "b commit", "a run s",
	}},
	"changed by others, in a block": {[]string{
		"a create table w4 (a int)", "a insert into w4 values (1)", "a new s select * from w4", "x alter table w4 add b int default 2",
		"b begin", "b select 1", "b prepare s select * from w4", "b run s", "b commit", "b run s", "c begin", "c bare s select * from w4", "c commit",
	}},
	"changed by others, in a pipeline": {[]string{
		"a create table w5 (a int)", "a insert into w5 values (1)", "a new s select * from w5", "x alter table w5 add b int default 2",
		"b together select 1 | s select * from w5", "c together begin | s select * from w5", "c commit", "c run s",
	}},
	"changed by others after the client's Parse": {[]string{
		"a create table w6 (a int)", "a insert into w6 values (1)", "a new s select * from w6",
		"b new s select * from w6", "b begin", "b select 1", "x alter table w6 add b int default 2", "b run s", "b rollback",
	}},
	"changed by others, unnamed": {[]string{
		"a create table w7 (a int)", "a insert into w7 values (1)", "a unnamed select * from w7", "a rerun", "b unnamed select * from w7", "a unnamed select * from w7", "x alter table w7 add b int default 2",
		"b unnamed select * from w7", "b rerun",
	}},
	"dropped by others": {[]string{
		"a create table w8 (a int)", "a insert into w8 values (1)", "a new s select * from w8", "b prepare s select * from w8", "b begin", "b select 1", "x drop table w8", "b run s", "b rollback", "c begin", "c select 1", "c bare s select * from w8", "c rollback",
	}},
	"savepoint": {[]string{
		"a set search_path to sa", "a new s select * from st",
		"a begin", "a savepoint x", "a set search_path to sb", "a new s2 select * from st", "a rollback to x", "a new s3 select * from st", "a commit", "a run s",
	}},
}

// twoSessions is the case of one client after another, each with its settings.
func twoSessions(one, other, sql string) struct{ steps []string } {
	return struct{ steps []string }{[]string{
		"a " + one, "a new s " + sql, "a run s",
		"b " + other, "b new s " + sql, "b run s",
		"a run s", "a new s2 " + sql,
	}}
}

// elsewhere is the case of a statement that is prepared under one setting, and run
// under another on another connection: set for good, in a transaction, and for the
// transaction only.
func elsewhere(one, other, ask, sql string) struct{ steps []string } {
	local := "set local" + strings.TrimPrefix(other, "set")
	if !strings.HasPrefix(other, "set") {
		local = strings.Replace(other, "reset", "set local", 1) + " to default"
	}
	return struct{ steps []string }{[]string{
		"a " + one, "a prepare s " + sql, "a prepare t " + sql, "a prepare u " + sql, "h begin", "h select 1",
		"a begin", "a " + local, "a run s", "a " + ask, "a commit", "a " + ask,
		"a begin", "a " + other, "a run t", "a " + ask, "a rollback", "a " + ask,
		"a " + other, "a run u", "a " + ask,
		"b " + one, "b new s " + sql, "b " + ask, "h rollback", "b run s", "a run u", "a run s", "a " + ask,
	}}
}

const sharingSetup = `
	grant all on schema public to public;
	create schema sa; create table sa.st as select 1 as a; grant all on schema sa to public;
	create schema sb; create table sb.st as select 1 as b, 2 as c; grant all on schema sb to public;
	create table sa.secret (n int); create schema hidden; create table hidden.secret (n int); grant select on all tables in schema hidden to public;
	create function mine() returns int immutable language plpgsql as 'begin return 1; end';
	revoke all on function mine() from public;
	grant execute on function mine() to alice;
	create function tenant() returns text immutable language plpgsql as 'begin return current_setting(''app.tenant'', true); end';
	create table falling (n int primary key);
	insert into falling select generate_series(500, 1, -1);
	analyze falling;`

// sharer plays a client of a case.
type sharer struct{ *raw }

func TestSharedStatementsAreNobodysBusiness(t *testing.T) {
	t.Parallel()
	url := database(t)
	role := func() string {
		u, err := neturl.Parse(testpg.Role(t, url, ""))
		if err != nil {
			t.Fatal(err)
		}
		return u.User.Username()
	}
	named := strings.NewReplacer("alice", role(), "bob", role())
	one, two := open(t, url, poolOf(1)), open(t, url, poolOf(2))
	admin, err := pgx.Connect(bounded(t), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(bounded(t)) })
	must(t, admin, named.Replace(sharingSetup))
	direct := func() *raw { return rawDirect(t, url) }
	for name, c := range sharing {
		t.Run(name, func(t *testing.T) {
			play := func(dial func() *raw) []string {
				must(t, admin, "drop table if exists w, w2, w3, w4, w5, w6, w7, w8, v, v2, v3, goes, gone")
				clients := make(map[string]*sharer)
				var got []string
				for _, step := range c.steps {
					who, what, _ := strings.Cut(step, " ")
					switch {
					case clients[who] != nil:
					case who == "x":
						clients[who] = &sharer{direct()}
					default:
						clients[who] = &sharer{dial()}
					}
					got = append(got, step+": "+clients[who].do(t, named.Replace(what)))
				}
				for _, c := range clients {
					_ = c.Close()
				}
				return got
			}
			want := play(direct)
			g := one
			if slices.Contains(c.steps, "h begin") {
				g = two
			}
			got := play(func() *raw { return g.raw(t) })
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("through weir\n\t%s\nPostgreSQL itself\n\t%s", got[i], want[i])
				}
			}
		})
	}
}

// Settings that no text's meaning and no plan depends on do not divide clients.
func TestStatementsAreSharedByClientsOfAllTimeouts(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	for i, set := range []string{
		"set application_name to 'a'", "set statement_timeout to '1h'", "set work_mem to '33MB'",
		"begin; set local lock_timeout to '1h'", "begin; select set_config('work_mem', '8MB', true)",
		"begin; set transaction isolation level serializable",
	} {
		s := sharer{g.raw(t)}
		s.do(t, set)
		if got, want := s.do(t, "new s select 'shared'"), `?column?(25) ["shared"] Z`; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", set, got, want)
		}
		s.do(t, "rollback")
		if got, want := s.do(t, "select count(*) from pg_prepared_statements where statement ~ '^select .shared'"), `count(20) ["1"] Z(I)`; got != want {
			t.Errorf("client %d, %s: got %s, want %s", i, set, got, want)
		}
	}
}

// What a program puts into comments for each request does not divide statements.
func TestCommentsDoNotDivideStatements(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	for i, sql := range []string{
		"select 'it''s' as a /* traceparent='00-%d' */", "/* %d */ select 'it''s' as b", "select 'it''s' -- %d\n|| 'x' as c", "/*+ Hint(%d) */ select 'it''s' as d", "select '/* %d */' as e", `select e'\' /* %d */' as f`,
	} {
		var got []string
		for n := range 3 {
			s := sharer{g.raw(t)}
			got = append(got, s.do(t, "new s "+fmt.Sprintf(sql, n)))
			if i == 4 || i == 5 {
				continue // it is what it returns
			}
			if got[n] != got[0] {
				t.Errorf("%s: got %s, then %s", sql, got[0], got[n])
			}
		}
		s, want := sharer{g.raw(t)}, []int{1, 1, 1, 3, 3, 3}[i]
		if got := s.do(t, fmt.Sprintf("select count(*) from pg_prepared_statements where statement ~ ' as %c'", 'a'+i)); got != fmt.Sprintf(`count(20) ["%d"] Z(I)`, want) {
			t.Errorf("%s: got %s, want %d statements", sql, got, want)
		}
	}
}

func TestStatementsOfAllClientsAreBounded(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1), func(c *weir.Config) { c.MaxTotalStatementBytes = 256 << 10 })
	long := "select length('" + strings.Repeat("x", 40<<10) + "'), "
	const refused = "53200 the prepared statements of all clients take too much memory Z(I)"
	var clients []sharer
	for i := range 8 {
		s := sharer{g.raw(t)}
		clients = append(clients, s)
		if got := s.do(t, fmt.Sprintf("new s %s%d", long, i)); (got == refused) != (i >= 6) {
			t.Errorf("statement %d: got %s", i, got)
		}
	}
	last := clients[7]
	if got := last.do(t, "new s "+long+"1"); strings.Contains(got, "53200") {
		t.Errorf("one that others have takes nothing: got %s", got)
	}
	if got := last.do(t, "unnamed "+long+"9"); got != refused {
		t.Errorf("unnamed: got %s, want %s", got, refused)
	}
	if got := last.do(t, "begin"); got != "Z(T)" {
		t.Errorf("begin: got %s", got)
	}
	if got, want := last.do(t, "new t "+long+"9"), strings.Replace(refused, "(I)", "(E)", 1); got != want {
		t.Errorf("in a block: got %s, want %s", got, want)
	}
	if got := last.do(t, "rollback"); got != "Z(I)" {
		t.Errorf("rollback: got %s", got)
	}
	for _, s := range clients[:4] {
		_ = s.Close()
	}
	until(t, "the statements of those who left to be given back", func() bool { return g.Status().Clients.StatementBytes < 150<<10 })
	if got := last.do(t, "new u "+long+"9"); strings.Contains(got, "53200") {
		t.Errorf("after others have left: got %s", got)
	}
}

// A statement that others have prepared is asked about before a client uses it in a
// block. Whatever comes in between is what the client would have seen of its own.
func TestWhatHappensWhileAStatementIsAskedAboutIsToldOnce(t *testing.T) {
	t.Parallel()
	url := database(t)
	g := open(t, url, poolOf(1))
	testpg.Exec(t, url, "create table t (a int); insert into t values (1)")
	for name, tt := range map[string]struct {
		act  func(b *sharer, pid string)
		want string
	}{
		"locked for too long": {func(*sharer, string) {}, `55P03 canceling statement due to lock timeout Z(E)`},
		"cancelled":           {func(b *sharer, _ string) { g.cancel(t, b.pid, b.secret, false) }, `57014 canceling statement due to user request Z(E)`},
		"lost":                {func(_ *sharer, pid string) { testpg.Exec(t, url, "select pg_terminate_backend("+pid+")") }, `57P01`},
	} {
		for _, begin := range []string{"begin", "begin; select 1"} {
			a, b, x := &sharer{g.raw(t)}, &sharer{g.raw(t)}, &sharer{rawDirect(t, url)}
			a.do(t, "new s select * from t")
			if name == "locked for too long" {
				b.do(t, "set lock_timeout to '100ms'")
			}
			b.do(t, "prepare s select * from t")
			x.do(t, "begin")
			x.do(t, "alter table t alter a set not null")
			b.do(t, begin)
			b.send(t, running("s", false)...)
			var pid string
			until(t, "the client to wait for the lock", func() bool {
				rows := testpg.Exec(t, url, "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
				if len(rows) > 0 {
					pid = rows[0][0]
				}
				return len(rows) > 0 || name == "locked for too long"
			})
			tt.act(b, pid)
			if got := b.values(t, 1); !strings.HasPrefix(got, tt.want) || !strings.HasSuffix(got, "Z(E)") {
				t.Errorf("%s, %s: got %s, want %s", name, begin, got, tt.want)
			}
			x.do(t, "rollback")
			if got, want := b.do(t, "rollback")+b.do(t, "run s"), `Z(I)["1"] Z(I)`; got != want {
				t.Errorf("%s, %s: afterwards %s, want %s", name, begin, got, want)
			}
			for _, s := range []*sharer{a, b, x} {
				_ = s.Close()
			}
		}
	}
}

// do sends a step and returns the answer.
func (s *sharer) do(t *testing.T, what string) string {
	t.Helper()
	verb, rest, _ := strings.Cut(what, " ")
	name, sql, _ := strings.Cut(rest, " ")
	switch verb {
	case "prepare":
		s.send(t, preparing(name, sql)...)
	case "run":
		s.send(t, running(name, false)...)
	case "new":
		s.send(t, append([]pgproto3.FrontendMessage{&pgproto3.Parse{Name: name, Query: sql}}, running(name, true)...)...)
	case "bare":
		s.send(t, append([]pgproto3.FrontendMessage{&pgproto3.Parse{Name: name, Query: sql}}, running(name, false)...)...)
	case "unnamed":
		s.send(t, preparing("", rest)...)
	case "rerun":
		s.send(t, running("", false)...)
	case "together":
		first, second, _ := strings.Cut(rest, " | ")
		name, sql, _ = strings.Cut(second, " ")
		s.send(t, append(group(first), append([]pgproto3.FrontendMessage{&pgproto3.Parse{Name: name, Query: sql}}, running(name, true)...)...)...)
		return s.values(t, 2)
	default:
		s.query(t, what)
	}
	return s.values(t, 1)
}

// values reads up to n ReadyForQuery and returns what came, with the names of
// columns and the values.
func (s *sharer) values(t *testing.T, n int) string {
	t.Helper()
	var words []string
	for {
		m, err := s.front.Receive()
		if err != nil {
			t.Fatalf("after %q: %v", words, err)
		}
		switch m := m.(type) {
		case *pgproto3.RowDescription:
			for _, f := range m.Fields {
				words = append(words, fmt.Sprintf("%s(%d)", f.Name, f.DataTypeOID))
			}
		case *pgproto3.DataRow:
			words = append(words, fmt.Sprintf("%q", m.Values))
		case *pgproto3.ErrorResponse:
			words = append(words, m.Code, m.Message)
		case *pgproto3.ReadyForQuery:
			words = append(words, word(m))
			if n--; n == 0 {
				return strings.Join(words, " ")
			}
		}
	}
}
