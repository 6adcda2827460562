// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// TestWhatExecuteLeavesStaysWithItsClient runs what SQL has prepared in exchanges of
// their own, and looks for what that has left: with its client, as directly, and on
// every connection of the pool, as in a new session.
func TestWhatExecuteLeavesStaysWithItsClient(t *testing.T) {
	t.Parallel()
	alone, url := database(t), database(t)
	for _, url := range []string{alone, url} {
		testpg.Exec(t, url, routines)
		testpg.Exec(t, url, `create table one (n int); insert into one values (1);
create function preparer() returns int language plpgsql as $$begin execute 'prepare sp as select setter()'; return 1; end$$;
create function runner() returns int language plpgsql as $$begin execute 'execute sp'; return 1; end$$;
create function changes_simple() returns int language sql as 'select 1';
create function changes_extended() returns int language sql as 'select 1';
create function shares() returns int language sql as 'select 1 from pg_advisory_lock_shared(5)';
create function settled(s text) returns text language plpgsql as $$begin perform set_config('app.tenant', s, false); return s; end$$`)
	}
	g, fresh := open(t, url, poolOf(2)), rawDirect(t, url)
	const who = "select concat_ws(' ', session_user, current_user, coalesce(current_setting('app.tenant', true), ''), current_setting('work_mem'))"
	const lock = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
	const role, tenant = "prepare sp(text) as select set_config('role', $1, false)", "prepare sp as select settled('z')"
	for name, c := range map[string]struct {
		steps string // with | between those that are sent each on its own
		find  string
	}{
		"role":                          {role + "|execute sp('pg_monitor')|deallocate sp", who},
		"role, all":                     {role + "|execute sp('pg_monitor')|deallocate all", who},
		"role, prepare":                 {role + "|execute sp('pg_monitor')|deallocate prepare sp", who},
		"role, not deallocated":         {role + "|execute sp('pg_monitor')", who},
		"authorization":                 {"prepare sp(text) as select set_config('session_authorization', $1, false)|execute sp('pg_monitor')|deallocate sp", who},
		"a setting of a program's":      {"prepare sp(text) as select set_config('app.tenant', $1, false)|execute sp('x')|deallocate sp", who},
		"a setting":                     {"prepare sp as select set_config('work_mem', '9MB', false)|execute sp|deallocate sp", who},
		"a setting that is not written": {"prepare sp(text) as select set_config($1, '9MB', false)|execute sp('work_mem')|deallocate sp", who},
		"a function":                    {tenant + "|execute sp|deallocate sp", who},
		"a trigger":                     {"prepare sp as insert into watched values (1)|execute sp|deallocate sp", who},
		"a trigger of a statement WITH": {"prepare sp as with a as (select 1) insert into watched select 1|execute sp|deallocate sp", who},
		"explain analyze":               {tenant + "|explain analyze execute sp|deallocate sp", who},
		"explain with options":          {tenant + "|explain (analyze, costs off) execute sp|deallocate sp", who},
		"a table":                       {tenant + "|create table made_ as execute sp|deallocate sp|drop table made_", who},
		"a temporary table":             {tenant + "|create temp table made_ as execute sp|deallocate sp|drop table made_", who},
		"explain of a table":            {tenant + "|explain analyze create temp table made_ as execute sp|deallocate sp", who},
		"a block":                       {role + "|begin|execute sp('pg_monitor')|deallocate sp|commit", who},
		"a block of all":                {"begin|" + role + "|execute sp('pg_monitor')|commit|deallocate sp", who},
		"rolled back":                   {role + "|begin|execute sp('pg_monitor')|deallocate sp|rollback", who},
		"a savepoint":                   {role + "|begin|savepoint a|execute sp('pg_monitor')|deallocate sp|rollback to a|commit", who},
		"failed":                        {role + "|begin|execute sp('pg_monitor')|select 1/0|rollback|deallocate sp", who},
		"together with DEALLOCATE":      {role + "|execute sp('pg_monitor'); deallocate sp", who},
		"twice":                         {role + "|execute sp('pg_monitor')|execute sp('none')|execute sp('pg_monitor')|deallocate sp", who},
		"after another":                 {tenant + "|execute sp|deallocate sp|" + role + "|execute sp('pg_monitor')|deallocate sp", who},
		"another of the name":           {"prepare sp(text) as select $1|execute sp('a')|deallocate sp; " + role + "|execute sp('pg_monitor')|deallocate sp", who},
		"another of the name, refused":  {role + "|prepare sp as select 1|execute sp('pg_monitor')|deallocate sp", who},
		"by a body":                     {"select preparer()|execute sp|deallocate sp", who},
		"by a block":                    {"do $$begin execute 'prepare sp as select settled(''y'')'; end$$|execute sp|deallocate sp", who},
		"by a block, in place of it":    {"prepare sp as select 1|do $$begin execute 'deallocate sp'; execute 'prepare sp as select settled(''y'')'; end$$|execute sp|deallocate sp", who},
		"by a block, put together":      {"prepare sp as select 1|do $$declare s text = lower('SP'); begin execute 'deallocate ' || s; execute 'prepare ' || s || ' as select settled(''y'')'; end$$|execute sp|deallocate sp", who},
		"in a body":                     {tenant + "|select runner()|deallocate sp", who},
		"in a block of a body":          {tenant + "|do $$begin execute 'execute sp'; end$$|deallocate sp", who},
		"of a function that changes":    {"prepare sp as select changes_()|create or replace function changes_() returns int language sql as 'select setter()'|execute sp|deallocate sp", who},
		"in capitals":                   {tenant + "|EXECUTE SP|deallocate sp", who},
		"in escapes":                    {`prepare U&"!0073p" uescape '!' as select settled('u')|execute sp|deallocate sp`, who},
		"executed in escapes":           {tenant + `|execute U&"!0073p" uescape '!'|deallocate sp`, who},
		"explained in escapes":          {tenant + `|explain analyze execute U&"!0073p" uescape '!'|deallocate sp`, who},
		"a lock":                        {"prepare sp as select pg_advisory_lock_shared(5)|execute sp|deallocate sp", lock},
		"a lock in a body":              {"prepare sp as select shares()|execute sp|deallocate sp", lock},
		"a temporary table in a body":   {"prepare sp as select temps()|execute sp|deallocate sp", "select count(*) from pg_depend where refobjid = pg_my_temp_schema()"},
		"a seed":                        {"prepare sp(float8) as select setseed($1)|execute sp(0.5)|deallocate sp", who},
		"sequences":                     {"create sequence if not exists sq|prepare sp as select nextval('sq')|execute sp|deallocate sp", who},
		"nobody's":                      {"execute nobody|" + role + "|execute sp('pg_monitor')|execute nobody|deallocate sp", who},
		"what Parse has made":           {role + "|define s0 execute sp('pg_monitor')|run s0|deallocate sp", who},
		"of what Parse has made":        {"define s0 select settled('p')|define s1 execute s0|execute s1|close s0|close s1", who},
	} {
		for _, form := range []string{"simple", "extended"} {
			direct, through := rawDirect(t, alone), g.raw(t)
			others := []*raw{g.raw(t), g.raw(t)}
			for step := range strings.SplitSeq(strings.NewReplacer("made_", "made_"+form, "changes_", "changes_"+form).Replace(c.steps), "|") {
				direct.step(t, step, form)
				through.step(t, step, form)
			}
			want := fresh.named(t, c.find)[0]
			if got := others[0].named(t, c.find)[0]; got != want {
				t.Errorf("%s, %s: another client finds %q, want %q", name, form, got, want)
			}
			if want, got := direct.named(t, c.find)[0], through.named(t, c.find)[0]; got != want {
				t.Errorf("%s, %s: the client finds %q, directly %q", name, form, got, want)
			}
			_ = through.Close()
			for _, other := range others { // each on a connection of its own
				other.named(t, "begin")
				if got := other.named(t, c.find)[0]; got != want {
					t.Errorf("%s, %s: once it has left, another finds %q, want %q", name, form, got, want)
				}
			}
			for _, r := range append(others, direct) {
				_ = r.Close()
			}
		}
	}
}

// step sends a text in one of the forms, or does what named does.
func (r *raw) step(t *testing.T, text, form string) {
	t.Helper()
	verb, _, _ := strings.Cut(text, " ")
	if form == "simple" || strings.Contains(text, "; ") || verb == "define" || verb == "run" || verb == "close" {
		r.named(t, text)
		return
	}
	r.send(t, &pgproto3.Parse{Query: text}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
	r.transcript(t, 1)
}
