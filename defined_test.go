// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

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
	for _, other := range []*raw{two, g.raw(t)} { // each on a connection of its own
		other.named(t, "begin")
		if got := other.named(t, "select coalesce(current_setting('q.tenant', true), '')")[0]; got != "" {
			t.Errorf("another client finds %q", got)
		}
	}
}
