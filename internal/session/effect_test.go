// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"

	"github.com/weir-pg/weir/internal/routine"
)

func TestASelectIntoRedefines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"select 1 as x into made":                                                    true,
		"select 1 as x INTO made":                                                    true,
		"explain analyze select 1 as x into made":                                    true,
		"with a as (select 1 as x) select x into made from a":                        true,
		"with a as (insert into t values (1) returning n) select n into made from a": true,
		`select "insert" into made from t`:                                           true,
		"with a as (insert into t values (1) returning n) select n from a":           false,
		"with a as (merge into t using s on true when matched then delete) select":   false,
		"select 'into'":            false,
		`select "into" from t`:     false,
		"insert into t values (1)": false,
	} {
		e := effectOf([]byte(text), 0)
		if e.redefines() != want || e.alters() != want || e.makes != want {
			t.Errorf("%s: redefines %t, alters %t, makes %t, want %t", text, e.redefines(), e.alters(), e.makes, want)
		}
	}
}

// What a body does counts in whether the statement that calls it reads alone.
func TestARoutineThatLeavesSomethingMakesNoRead(t *testing.T) {
	t.Parallel()
	for body, c := range map[string]struct{ reads, only bool }{
		"begin return currval('s'); end":                   {true, false},
		"begin return lastval(); end":                      {true, false},
		"begin execute 'select last' || x into y; end":     {true, false},
		"begin perform set_config('a.b', 'c', false); end": {false, false},
		"begin notify c; end":                              {false, false},
		"begin create table made (n int); end":             {false, false},
		"begin perform pg_advisory_lock(1); end":           {false, false},
		"begin return n + 1; end":                          {false, true},
	} {
		e := effectOf([]byte("select f()"), 0)
		e.addRoutine(routine.Read("plpgsql", body).Effect)
		if e.reads != c.reads || e.onlyReads() != c.only {
			t.Errorf("%s: reads sequences: %t, only reads: %t, want %+v", body, e.reads, e.onlyReads(), c)
		}
	}
}
