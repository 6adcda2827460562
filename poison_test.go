// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/testpg"
)

// TestARefusedSettingOfALibraryIsNobodysElse has a client set what only a superuser may,
// of a library that is loaded, and lets another use its prepared statement in every way,
// where weir brings back the settings of then.
func TestARefusedSettingOfALibraryIsNobodysElse(t *testing.T) {
	t.Parallel()
	url := database(t)
	login := testpg.Role(t, url, "noinherit")
	const load, set = "do $$begin null; end$$", "set plpgsql.variable_conflict = 'use_column'"
	for name, poison := range map[string][]string{
		"refused":     {load, set},
		"unseen":      {load, "do $$begin perform set_config('plpgsql.variable_conflict', 'error', false); end$$"},
		"placeholder": {"set plpgsql.variable_conflict = 'error'", load},
		"reserved":    {load, "set plpgsql.nonsense = 'x'"},
	} {
		g := open(t, login, poolOf(2))
		other := g.raw(t)
		for _, sql := range poison {
			other.named(t, sql)
		}
		_ = other.Close()
		for _, hold := range []string{"select pg_advisory_lock_shared(1)", load, "set timezone = 'Asia/Tokyo'", set, "select set_config('work_mem', '9MB', false)", "begin|savepoint a|" + set + "|rollback to a"} {
			direct, through := rawDirect(t, login), g.raw(t)
			for _, r := range []*raw{direct, through} {
				r.named(t, load)
				r.named(t, "parse s value")
				for step := range strings.SplitSeq(hold, "|") {
					r.named(t, step)
				}
			}
			for _, step := range []string{"run s", "execute s", "describe s", "explain execute s", "select 5"} {
				want, got := strings.Join(direct.named(t, step), " "), strings.Join(through.named(t, step), " ")
				if got != want {
					t.Errorf("%s, after %q: %q: %q through weir, %q directly", name, hold, step, got, want)
				}
			}
			_, _ = direct.Close(), through.Close()
		}
	}
}

// TestWhatFailsAheadOfAMessageIsAnsweredOnce has what weir sends in front of a message
// fail: the client gets one error, and its ReadyForQuery.
func TestWhatFailsAheadOfAMessageIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	url := database(t)
	login := testpg.Role(t, url, "noinherit")
	user, _, _ := strings.Cut(strings.TrimPrefix(login, "postgres://"), ":")
	g := open(t, login, poolOf(2))
	for name, ask := range map[string]func(r *raw){
		"execute":  func(r *raw) { r.query(t, "execute s") },
		"explain":  func(r *raw) { r.query(t, "explain execute s") },
		"describe": func(r *raw) { r.send(t, &pgproto3.Describe{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{}) },
		"bind": func(r *raw) {
			r.send(t, &pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{})
		},
	} {
		testpg.Exec(t, url, "grant set on parameter session_replication_role to "+user)
		one, other := g.raw(t), g.raw(t)
		for _, step := range []string{"set session_replication_role = 'replica'", "parse s value", "reset session_replication_role"} {
			one.named(t, step)
		}
		testpg.Exec(t, url, "revoke set on parameter session_replication_role from "+user)
		other.named(t, "begin") // on the connection that has the statement
		ask(one)
		if got := one.transcript(t, 1); got != "E(42501) Z(I)" {
			t.Errorf("%s: %q, want one error and its end", name, got)
		}
		if one.query(t, "select 5"); one.transcript(t, 1) != "T D C Z(I)" {
			t.Errorf("%s: the next query is not answered", name)
		}
		_, _ = one.Close(), other.Close()
	}
}

// TestASettingThatALibraryDoesNotTake has a client set, or log in with, what a library will
// not take, and another load the library on the client's connection. PostgreSQL takes such
// a setting away where it loads the library: the client goes on without it.
func TestASettingThatALibraryDoesNotTake(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, "create extension pg_trgm")
	login := testpg.Role(t, url, "noinherit")
	const plpgsql, trgm = "do $$begin null; end$$", "select show_limit()"
	for _, c := range []struct{ load, name, value string }{
		{plpgsql, "plpgsql.extra_warnings", "nonsense"},
		{trgm, "pg_trgm.similarity_threshold", "9"},
		{trgm, "pg_trgm.similarity_threshold", "much"},
		{plpgsql, "plpgsql.variable_conflict", "use_column"},
		{plpgsql, "plpgsql.nonsense", "x"},
	} {
		for _, early := range []bool{false, true} {
			g := open(t, login, poolOf(1))
			other, at, options := g.raw(t), login, []string(nil)
			if early {
				other.named(t, c.load)
				options = []string{"options=-c" + c.name + "=" + c.value}
				at += "&options=-c" + c.name + "%3D" + c.value
			}
			direct, through := rawDirect(t, at), g.raw(t, options...)
			for _, r := range []*raw{direct, through} {
				for _, step := range []string{"set work_mem = '3MB'", "set app.tenant = 'one'", "define before select 1.5", "set " + c.name + " = '" + c.value + "'", "define after select 'x', 1.5"} {
					if !early || !strings.HasPrefix(step, "set "+c.name) {
						r.named(t, step)
					}
				}
			}
			direct.named(t, c.load)
			other.named(t, c.load)
			steps := []string{"select 1", "begin", "select 2", "rollback", "run before", "run after", "show work_mem", "show app.tenant", "reset " + c.name, "select 3", "reset all", "select 4", "discard all", "select 5"}
			if strings.HasPrefix(c.value, "n") || strings.HasPrefix(c.load, "select") {
				steps = append([]string{"show " + c.name}, steps...)
			}
			for _, step := range steps {
				want, got := strings.Join(direct.named(t, step), " "), strings.Join(through.named(t, step), " ")
				if reset := !strings.HasPrefix(steps[0], "show") && strings.HasPrefix(step, "reset plpgsql"); got != want && !reset { // else weir has found another connection, which takes it
					t.Errorf("%s = %s, early %v: %q: %q through weir, %q directly", c.name, c.value, early, step, got, want)
				}
			}
			other.named(t, c.load)
			if got, want := strings.Join(through.named(t, "select 6"), " "), strings.Join(direct.named(t, "select 6"), " "); got != want {
				t.Errorf("%s = %s, early %v: at the end %q", c.name, c.value, early, got)
			}
			_, _, _ = direct.Close(), through.Close(), other.Close()
		}
	}
}
