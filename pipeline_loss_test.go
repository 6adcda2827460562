// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/faultproxy"
	"github.com/weir-pg/weir/internal/testpg"
)

// mute drops what PostgreSQL says, up to a message with some text in it, with
// which the connection ends: PostgreSQL has done what it was asked, and nobody
// has heard of it.
func mute(text string) faultproxy.Script {
	lost := false
	return func(m *faultproxy.Message) faultproxy.Fate {
		if lost || m.From == faultproxy.Client {
			return faultproxy.Live
		}
		last := bytes.Contains(m.Bytes, []byte(text))
		lost = last
		m.Bytes = nil
		if last {
			return faultproxy.Reset
		}
		return faultproxy.Live
	}
}

// TestWhatWasSentTogetherIsNotAskedAgainInPart has a write behind something
// harmless in one write, and loses all answers.
func TestWhatWasSentTogetherIsNotAskedAgainInPart(t *testing.T) {
	t.Parallel()
	url := database(t)
	p, through := distant(t, url, 0)
	g := open(t, through, poolOf(1))
	testpg.Exec(t, url, "create table rows (n int)")
	write := "insert into rows values (1)"
	for name, c := range map[string]struct {
		sent []pgproto3.FrontendMessage
		want string
	}{
		"simple":                {slices.Concat(simple("select 1"), simple(write)), "E(08007) Z(I) E(08007) Z(I)"},
		"extended":              {slices.Concat(group("select 1"), group(write)), "E(08007) Z(I) E(08007) Z(I)"},
		"mixed":                 {slices.Concat(simple("show work_mem"), group(write)), "E(08007) Z(I) E(08007) Z(I)"},
		"prepared, then run":    {slices.Concat(prepareNamed("", write), executeNamed("")), "1 Z(I) 2 C Z(I)"},
		"described, then run":   {slices.Concat(preparing("", write), executeNamed("")), "1 n Z(I) 2 C Z(I)"},
		"nothing, then a write": {slices.Concat(simple(""), simple(write)), "E(08007) Z(I) E(08007) Z(I)"},
		"an empty group":        {slices.Concat([]pgproto3.FrontendMessage{&pgproto3.Sync{}}, group(write)), "Z(I) E(08007) Z(I)"},
		"three":                 {slices.Concat(simple("select 1"), simple("select 2"), group(write)), "E(08007) Z(I) E(08007) Z(I) E(08007) Z(I)"},
		"two in a group":        {slices.Concat(extended("select 1"), group(write)), "E(08007) Z(I)"},
		"a read behind":         {slices.Concat(simple(write), simple("select 1")), "E(08007) Z(I) E(08007) Z(I)"},
		"with a flush between":  {slices.Concat(group("select 1"), []pgproto3.FrontendMessage{&pgproto3.Flush{}}, group(write)), "E(08007) Z(I) E(08007) Z(I)"},
	} {
		t.Run(name, func(t *testing.T) {
			p.Reset() // nobody has used the upstream before
			r := g.raw(t)
			r.query(t, "select 1")
			r.transcript(t, 1)
			last := "INSERT"
			if !strings.Contains(c.want, "E(") {
				last = "" // the Bind waits until its statement is there
			}
			p.Script(mute(last))
			r.send(t, c.sent...)
			if got := r.transcript(t, strings.Count(c.want, "Z")); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			p.Script(nil)
			if rows := testpg.Exec(t, url, "with gone as (delete from rows returning 1) select count(*) from gone")[0][0]; rows != "1" {
				t.Errorf("there are %s rows, want 1", rows)
			}
			r.query(t, "select 1")
			if got := r.transcript(t, 1); got != "T D C Z(I)" {
				t.Errorf("afterwards the client got %q", got)
			}
		})
	}
	g.balanced(t)
}

// TestAConflictInFrontOfOthersReachesTheClient has PostgreSQL undo a statement
// in front of others that were sent with it: they have happened, so it is not
// asked again.
func TestAConflictInFrontOfOthersReachesTheClient(t *testing.T) {
	t.Parallel()
	g := open(t, database(t), poolOf(1))
	testpg.Exec(t, g.upstream, `create table rows (n int);
		create function conflict() returns int language plpgsql as $$ begin raise exception 'again' using errcode = '40001'; end $$`)
	write := "insert into rows values (1)"
	for name, c := range map[string]struct {
		sent []pgproto3.FrontendMessage
		want string
		rows string
	}{
		"simple":         {slices.Concat(simple("select conflict()"), simple(write)), "E(40001) Z(I) C Z(I)", "1"},
		"extended":       {slices.Concat(group("select conflict()"), group(write)), "1 2 E(40001) Z(I) 1 2 C Z(I)", "1"},
		"mixed":          {slices.Concat(group("select conflict()"), simple(write)), "1 2 E(40001) Z(I) C Z(I)", "1"},
		"behind a write": {slices.Concat(simple(write), simple("select conflict()")), "C Z(I) T E(40001) Z(I)", "1"},
		"twice":          {slices.Concat(simple("select conflict()"), simple(write), simple("select conflict()")), "E(40001) Z(I) C Z(I) T E(40001) Z(I)", "1"},
		"in one group":   {slices.Concat(extended(write), group("select conflict()")), "1 2 C 1 2 E(40001) Z(I)", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := g.raw(t)
			r.send(t, c.sent...)
			got := strings.ReplaceAll(r.transcript(t, strings.Count(c.want, "Z")), "T E", "E")
			if want := strings.ReplaceAll(c.want, "T E", "E"); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if rows := testpg.Exec(t, g.upstream, "with gone as (delete from rows returning 1) select count(*) from gone")[0][0]; rows != c.rows {
				t.Errorf("there are %s rows, want %s", rows, c.rows)
			}
		})
	}
	if n := g.retried("conflict"); n != 0 {
		t.Errorf("%d statements were asked again", n)
	}
}
