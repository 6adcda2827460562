// SPDX-License-Identifier: Apache-2.0

package routine_test

import (
	"slices"
	"testing"

	"github.com/weir-pg/weir/internal/routine"
)

func TestBodiesAreReadForWhatTheyLeaveBehind(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct {
		leaves   routine.Leaves
		settings []string
	}{
		"begin perform 1; end":                                                                                  {},
		"begin return new; -- set role bob; execute 'x'\n end":                                                  {},
		"begin update t set role = 1 where set_config = 2; end":                                                 {},
		"begin insert into t values (1) on conflict do update set a = 1; e":                                     {},
		"begin set role bob; end":                                                                               {routine.Sets, []string{"role"}},
		"begin set local role bob; end":                                                                         {routine.Locals, nil},
		"begin set session app.tenant to 'x'; end":                                                              {routine.Sets, []string{"app.tenant"}},
		"begin set time zone 'UTC'; end":                                                                        {routine.Sets, []string{"timezone"}},
		"begin set session authorization bob; end":                                                              {routine.Sets, []string{"session_authorization"}},
		"begin if x then reset role; end if; end":                                                               {routine.Sets, []string{"role"}},
		"begin perform set_config('APP.x', v, false); end":                                                      {routine.Sets, []string{"app.x"}},
		"begin perform set_config('app.x', f(a, b), true); end":                                                 {routine.Locals, nil},
		"begin perform set_config('app.' || n, v, true); end":                                                   {routine.Sets | routine.Computed, nil},
		`begin perform pg_catalog."set_config"(n, v, false); end`:                                               {routine.Sets | routine.Computed | routine.Keeps, nil},
		"begin set local seed = 0.5; end":                                                                       {routine.Keeps | routine.Locals, nil},
		"begin set seed = 0.5; end":                                                                             {routine.Sets | routine.Keeps, []string{"seed"}},
		"begin perform set_config('Seed', v, true); end":                                                        {routine.Keeps | routine.Locals, nil},
		"begin execute format('set local %I to %L', x, y); end":                                                 {routine.Anything | routine.Keeps | routine.Locals, nil},
		"begin execute format('set local app.%I to %L', x, y); end":                                             {routine.Anything | routine.Locals, nil},
		`begin perform u&"set\005fconfig"('a.b', v, false); end`:                                                {routine.Unknowable, nil},
		"begin perform pg_advisory_lock(1); end":                                                                {routine.Objects, nil},
		"begin perform pg_advisory_xact_lock(1); end":                                                           {},
		"begin create temp table t (n int); end":                                                                {routine.Objects | routine.Creates | routine.Defines, nil},
		"begin insert into pg_temp.t values (1); end":                                                           {routine.Objects, nil},
		"begin perform setseed(0.5); end":                                                                       {routine.Keeps, nil},
		"begin load 'x'; end":                                                                                   {routine.Loads, nil},
		"begin execute 'deallocate all'; end":                                                                   {routine.Objects | routine.Sets, nil},
		"begin execute 'se' || 't role bob'; end":                                                               {routine.Sets, []string{"role"}},
		"begin execute 'set ro' || x; end":                                                                      {routine.Unknowable | routine.Anything, nil},
		"begin execute statement; end":                                                                          {routine.Unknowable | routine.Anything, nil},
		"begin execute format('set %s', x); end":                                                                {routine.Unknowable | routine.Anything, nil},
		"begin execute format('set %I to %L', x, y); end":                                                       {routine.Sets | routine.Computed | routine.Anything | routine.Keeps, nil},
		"begin execute format('insert into %I (a) values ($1)', x) using 1; end":                                {routine.Anything, nil},
		"begin execute format('select %I()', x) into y; end":                                                    {routine.Anything | routine.Unknowable, nil},
		"begin execute 'select * from ' || quote_ident(x) || ' where a = 1'; end":                               {routine.Anything, nil},
		"begin execute 'truncate ' || tg_table_schema || '.' || tg_table_name; end":                             {routine.Anything, nil},
		"begin for r in execute 'select 1' loop null; end loop; end":                                            {},
		"begin execute $q$ create temp table x as select 1 $q$; end":                                            {routine.Objects | routine.Creates | routine.Defines, nil},
		`begin x := '\'; execute y; z := ''; end`:                                                               {routine.Unknowable | routine.Anything, nil},
		`begin x := 'a\'; set role bob; --'; end`:                                                               {routine.Unknowable | routine.Sets, []string{"role"}},
		`begin x := regexp_replace(y, '\d+', ''); end`:                                                          {},
		"begin perform query_to_xml('select lastval()', true, true, ''); end":                                   {routine.Sequences, nil},
		"begin perform query_to_xml(q, true, true, ''); end":                                                    {routine.Unknowable, nil},
		`begin execute 'do $x$begin set role bob; end$x$'; end`:                                                 {routine.Sets, []string{"role"}},
		`begin do $x$begin set role bob; end$x$; end`:                                                           {routine.Sets, []string{"role"}},
		`begin execute 'do language sql ''set role bob'''; end`:                                                 {routine.Sets, []string{"role"}},
		`begin execute 'do language plperl ''x'''; end`:                                                         {routine.Keeps | routine.Unknowable, nil},
		`begin execute format('do language plpgsql %L', s); end`:                                                {routine.Unknowable | routine.Anything, nil},
		`begin execute format('do language %L ''begin end''', s); end`:                                          {routine.Keeps | routine.Unknowable, nil},
		`begin execute 'do ' || quote_literal(s); end`:                                                          {routine.Unknowable | routine.Anything, nil},
		`begin execute format('do $x$ begin perform %L; end $x$', s); end`:                                      {routine.Unknowable | routine.Anything, nil},
		`begin execute 'select ''' || quote_literal(s) || ''''; end`:                                            {routine.Unknowable | routine.Anything, nil},
		`begin execute 'se' || quote_ident(s) || ' role bob'; end`:                                              {routine.Unknowable | routine.Anything, nil},
		`begin execute format('s%Irole bob', s); end`:                                                           {routine.Unknowable | routine.Anything, nil},
		`begin execute 'select evil' || n::int || '()'; end`:                                                    {routine.Unknowable | routine.Anything, nil},
		`begin execute format('select set_config(%L, %L, true)', s, v); end`:                                    {routine.Sets | routine.Computed | routine.Keeps, nil},
		`begin execute format('select query_to_xml(%L, true, true)', s); end`:                                   {routine.Unknowable, nil},
		`begin execute 'select ''' || tg_table_name || ''' from x limit ' || n::int; end`:                       {},
		`begin execute format('select %L, %I.%I from x where a=%L', a, b, c, d); end`:                           {routine.Anything, nil},
		`begin create function f() returns int language sql as 'select setseed(1)'; end`:                        {routine.Creates | routine.Defines | routine.Keeps, nil},
		`begin create or replace function f() returns int as $$begin set role bob; end$$ language plpgsql; end`: {routine.Creates | routine.Defines | routine.Sets, []string{"role"}},
		`begin execute format('create function f() returns int language sql as %L', s); end`:                    {routine.Creates | routine.Defines | routine.Unknowable | routine.Anything, nil},
		`begin create table t (a text default 'it has a "'); end`:                                               {routine.Creates | routine.Defines, nil},
		`begin insert into t values ('x') on conflict do update set a = 'set role bob'; end`:                    {},
		"begin perform 'open":                                                                                   {routine.Unknowable, nil},
		"begin grant select on t to bob; end":                                                                   {routine.Defines, nil},
		"begin execute 'comment on table t is ''x'''; end":                                                      {routine.Defines, nil},
		"begin security label on table t is 'x'; end":                                                           {routine.Defines, nil},
		"begin refresh materialized view concurrently t; end":                                                   {routine.Defines, nil},
		"begin insert into t (comment) values (1); end":                                                         {},
		"begin select 1 into x; end":                                                                            {},
	} {
		got := routine.Read("plpgsql", body)
		slices.Sort(got.Settings)
		if got.Leaves != want.leaves || !slices.Equal(got.Settings, want.settings) {
			t.Errorf("%s: %b %q, want %b %q", body, got.Leaves, got.Settings, want.leaves, want.settings)
		}
	}
	if got := routine.Read("plperl", "return 1"); got.Leaves&routine.Keeps == 0 {
		t.Errorf("a function in Perl leaves %b", got.Leaves)
	}
}

func TestBodiesAreReadForPreparedStatements(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		"begin execute 'execute s0'; execute 'exec' || 'ute \"S 1\" (1)'; end": {"s0", "S 1"},
		"begin deallocate prepare s0; execute 'deallocate s1'; end":            {"s0", "s1"},
		"begin execute 'prepare s0 as select 1'; end":                          {"s0"},
		"begin execute 'select 1'; end":                                        nil,
	} {
		if got := routine.Read("plpgsql", body).Statements; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if got := routine.Read("plpgsql", "begin execute 'execute ' || quote_ident(x); end"); got.Leaves&routine.Unknowable == 0 {
		t.Errorf("a name that is not known is certain to leave only %b", got.Leaves)
	}
}

func TestBodiesAreReadForWhatTheyReset(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct{ resets, nulls []string }{
		"begin reset Work_Mem; reset all; end":                                           {[]string{"work_mem", "all"}, nil},
		"begin set a.b to default; set c = 'x'; set d to x, 'default'; end":              {[]string{"a.b"}, nil},
		"begin set local a.b = default; set time zone local; set names; end":             {[]string{"local a.b", "timezone", "client_encoding"}, nil},
		"begin set names 'utf8'; set time zone 'UTC'; end":                               {nil, nil},
		"begin perform set_config('A', null, false); end":                                {[]string{"a"}, nil},
		"begin perform set_config('a', null, true); perform set_config('b', v, true); e": {[]string{"local a"}, []string{"local b"}},
		"begin perform set_config('a', 'x', false); end":                                 {nil, nil},
		"begin perform set_config('a', 'x' || v, false); end":                            {nil, []string{"a"}},
		"begin execute 'res' || 'et a'; end":                                             {[]string{"a"}, nil},
	} {
		if got := routine.Read("plpgsql", body); !slices.Equal(got.Resets, want.resets) || !slices.Equal(got.Nulls, want.nulls) {
			t.Errorf("%s: %q %q, want %q %q", body, got.Resets, got.Nulls, want.resets, want.nulls)
		}
	}
}
