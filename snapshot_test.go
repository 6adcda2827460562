// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// TestAParseFromMemoryTakesItsSnapshot says the same to PostgreSQL and to weir, which
// answers a Parse itself that has to come after what follows it in its transaction.
func TestAParseFromMemoryTakesItsSnapshot(t *testing.T) {
	t.Parallel()
	type messages = []pgproto3.FrontendMessage
	upstream := database(t)
	g := open(t, upstream, poolOf(1))
	const serializable, begins = "set transaction isolation level serializable", "start transaction isolation level repeatable read"
	sync := messages{&pgproto3.Sync{}}
	known := func(name string) messages { return messages{&pgproto3.Parse{Name: name, Query: "select 1"}} }
	once := func(list ...messages) messages { return slices.Concat(list...) }
	for name, writes := range map[string][]messages{
		"the group begins":            {once(known("s0"), group(begins))},
		"the text begins":             {once(known("s0"), simple(begins))},
		"a block":                     {simple("begin"), once(known("s0"), sync), simple(serializable)},
		"a block, extended":           {group("begin"), once(known("s0"), sync), group(serializable)},
		"a block that runs":           {simple("begin; show work_mem"), once(known("s0"), sync), simple("set local transaction_isolation = serializable")},
		"by a setting, extended":      {group("begin"), once(known("s0"), sync), group("set transaction_isolation = serializable")},
		"to write":                    {simple("begin read only"), once(known("s0"), sync), simple("set transaction read write")},
		"behind a plain BEGIN":        {once(known("s0"), group("begin")), simple(serializable)},
		"in one write":                {once(simple("begin"), known("s0"), sync, simple(serializable))},
		"in one write, extended":      {once(group("begin"), known("s0"), sync, group(serializable))},
		"between Bind and Execute":    {once(messages{&pgproto3.Parse{Query: begins}, &pgproto3.Bind{DestinationPortal: "p"}}, known("s0"), messages{&pgproto3.Execute{Portal: "p"}}, sync)},
		"it may be described":         {once(known("s0"), messages{&pgproto3.Describe{ObjectType: 'S', Name: "s0"}}, group(begins))},
		"another transaction":         {once(known("s0"), sync), simple(begins), once(known("s1"), sync), simple("commit"), simple(begins)},
		"another, in one write":       {once(known("s0"), sync, simple(begins))},
		"another, in one write twice": {once(known("s0"), sync, group(begins), known("s1"), sync, group("rollback"), group(begins))},
		"another after an error":      {once(known("s0"), messages{&pgproto3.Execute{Portal: "none"}}, sync), simple(begins)},
		"a failed block":              {simple("begin; select 1/0"), once(known("s0"), sync), simple(serializable), simple("rollback"), simple(begins)},
		"what takes none":             {once(messages{&pgproto3.Parse{Name: "s0", Query: "show work_mem"}}, group(begins))},
		"closed again":                {once(known("s0"), messages{&pgproto3.Close{ObjectType: 'S', Name: "s0"}}, group(begins))},
		"nothing that minds":          {once(known("s0"), group("set work_mem = '5MB'"), sync), simple(begins)},
	} {
		warm := g.raw(t)
		for _, sql := range []string{"select 1", "show work_mem"} {
			warm.send(t, slices.Concat(prepareNamed("w", sql), executeNamed("w"), messages{&pgproto3.Close{ObjectType: 'S', Name: "w"}}, sync)...)
			warm.transcript(t, 3)
		}
		direct, through := rawDirect(t, upstream), g.raw(t)
		for i, write := range writes {
			direct.send(t, write...)
			through.send(t, write...)
			groups := 0
			for _, m := range write {
				switch m.(type) {
				case *pgproto3.Query, *pgproto3.Sync:
					groups++
				}
			}
			if got, want := through.transcript(t, groups), direct.transcript(t, groups); got != want {
				t.Errorf("%s, write %d: %q through weir, %q directly", name, i, got, want)
			}
		}
		_, _, _ = warm.Close(), direct.Close(), through.Close()
	}
	g.balanced(t)
}

// TestWhatWeirPreparesTakesNoSnapshot describes a statement that the upstream lacks in
// front of what has to come before the snapshot of its transaction.
func TestWhatWeirPreparesTakesNoSnapshot(t *testing.T) {
	t.Parallel()
	type messages = []pgproto3.FrontendMessage
	upstream := database(t)
	g := open(t, upstream, poolOf(1), func(c *weir.Config) { c.Pool.MaxPreparedStatements = 1 })
	const serializable, begins = "set transaction isolation level serializable", "start transaction isolation level repeatable read"
	const shown = "show transaction_isolation"
	sync, once := messages{&pgproto3.Sync{}}, func(list ...messages) messages { return slices.Concat(list...) }
	described := messages{&pgproto3.Describe{ObjectType: 'S', Name: "s0"}}
	for name, writes := range map[string][]messages{
		"the group begins":         {once(described, group(begins)), simple(shown), simple("rollback")},
		"the text begins":          {once(described, simple(begins)), simple(shown)},
		"a plain BEGIN":            {once(described, group("begin")), simple(serializable), simple(shown)},
		"a block":                  {simple("begin"), once(described, sync), simple(serializable), simple(shown)},
		"a block, extended":        {group("begin"), once(described, sync), group(serializable), simple(shown)},
		"in one write":             {once(simple("begin"), described, sync, simple(serializable), simple(shown))},
		"in one group":             {simple("begin"), once(described, group(serializable)), simple(shown)},
		"a block that runs":        {simple("begin; show work_mem"), once(described, sync), simple("set local transaction_isolation = serializable"), simple(shown)},
		"what the block is":        {simple("begin read only, deferrable"), once(described, sync), simple(serializable), simple("show transaction_read_only"), simple("show transaction_deferrable")},
		"to write":                 {simple("begin read only"), once(described, sync), simple("set transaction read write"), simple("show transaction_read_only")},
		"BEGIN in the block":       {simple("begin"), once(described, sync), simple("begin isolation level serializable"), simple(shown)},
		"before a lock":            {simple("begin isolation level repeatable read"), once(described, sync), simple("lock table kept in share mode"), simple(serializable), simple(shown)},
		"the client's own":         {simple("begin"), once(described, sync), once(messages{&pgproto3.Parse{Query: "select 2"}}, sync), simple(serializable)},
		"the client's, before":     {simple("begin; select 2"), once(described, sync), simple(serializable)},
		"in the group":             {once(described, messages{&pgproto3.Parse{Query: "select 2"}, &pgproto3.Parse{Name: "s2", Query: begins}, &pgproto3.Bind{PreparedStatement: "s2"}, &pgproto3.Execute{}}, sync)},
		"it is bound":              {once(messages{&pgproto3.Bind{PreparedStatement: "s0"}}, group(begins)), simple(shown)},
		"work that has to last":    {simple("begin"), simple("set local work_mem = '5MB'"), once(described, sync), simple("set local work_mem = '6MB'"), simple("show work_mem"), simple("commit"), simple("show work_mem")},
		"a lock that has to last":  {simple("begin; lock table pg_class in access share mode"), once(described, sync), simple("set work_mem = '6MB'"), simple("select count(*) from pg_locks where pid = pg_backend_pid() and relation = 'pg_class'::regclass")},
		"a portal that has to":     {once(described, messages{&pgproto3.Parse{Name: "s2", Query: shown}, &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s2"}}, extended("set work_mem = '6MB'"), messages{&pgproto3.Execute{Portal: "p"}}, sync)},
		"a portal from before":     {simple("begin"), {&pgproto3.Parse{Name: "s2", Query: shown}, &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s2"}, &pgproto3.Sync{}}, once(described, sync), simple("set work_mem = '6MB'"), {&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{}}},
		"a group that was undone":  {once(described, messages{&pgproto3.Execute{Portal: "none"}}, sync), simple(begins), simple(shown)},
		"written, then in a block": {simple("begin"), simple("insert into kept values (1)"), once(described, sync), simple(serializable), simple("rollback"), simple("select count(*) from kept")},
	} {
		direct, through, other := rawDirect(t, upstream), g.raw(t), g.raw(t)
		for _, c := range []*raw{direct, through} {
			c.send(t, once(simple("create table if not exists kept (n int)"), prepareNamed("s0", "select count(*) from pg_class where oid = 0"))...)
			c.transcript(t, 2)
		}
		other.send(t, slices.Concat(prepareNamed("w", "select 3"), executeNamed("w"), prepareNamed("x", "select 4"), executeNamed("x"))...) // in whose place s0's is closed
		other.transcript(t, 4)
		for i, write := range writes {
			direct.send(t, write...)
			through.send(t, write...)
			for _, m := range write {
				switch m.(type) {
				case *pgproto3.Query, *pgproto3.Sync:
					if got, want := said(t, through), said(t, direct); got != want {
						t.Errorf("%s, write %d: %q through weir, %q directly", name, i, got, want)
					}
				}
			}
		}
		_, _, _ = other.Close(), direct.Close(), through.Close()
	}
	g.balanced(t)
}

// TestSettingsThatComeBackTakeNoSnapshot has a function give a setting of the login its
// default, so that weir sets it again in front of what follows, and then says what has to
// come before the snapshot of a transaction.
func TestSettingsThatComeBackTakeNoSnapshot(t *testing.T) {
	t.Parallel()
	upstream := database(t)
	testpg.Exec(t, upstream, "create function undo() returns void language plpgsql as $$begin reset timezone; end$$; create table kept (n int)")
	g := open(t, upstream, poolOf(1))
	const serializable, level = "set transaction isolation level serializable", "show transaction_isolation"
	for name, statements := range map[string][]string{
		"rolled back":               {"begin", "select undo()", "rollback and chain", "show timezone", serializable, level, "show timezone", "commit", "show timezone"},
		"committed":                 {"begin", "select undo()", "commit and chain", "show timezone", serializable, level, "show timezone", "commit", "show timezone"},
		"failed":                    {"begin", "select undo()", "select 1/0", "rollback and chain", "show timezone", serializable, level, "commit"},
		"failed, then committed":    {"begin", "select undo()", "select 1/0", "commit and chain", "show timezone", serializable, level, "commit"},
		"chained twice":             {"begin", "select undo()", "commit and chain", "show timezone", "rollback and chain", "show timezone", serializable, level, "rollback"},
		"its own snapshot":          {"begin", "select undo()", "rollback and chain", "show timezone", "select 1", serializable, "rollback"},
		"its own, before the chain": {"begin", "select undo()", "commit and chain", "select 1", serializable, "rollback"},
		"work that has to go":       {"begin", "select undo()", "commit and chain", "show timezone", "insert into kept values (1)", serializable, "rollback", "select count(*) from kept"},
		"a savepoint":               {"begin", "savepoint s", "select undo()", "rollback to s", "show timezone", serializable, "rollback"},
		"work before a savepoint":   {"begin", "insert into kept values (1)", "savepoint s", "select undo()", "rollback to s", "show timezone", serializable, "rollback", "select count(*) from kept"},
		"work after the chain":      {"begin", "select undo()", "commit and chain", "insert into kept values (1)", "savepoint s", "rollback to s", "show timezone", serializable, "rollback", "select count(*) from kept"},
		"a savepoint in a text":     {"begin", "insert into kept values (1)", "savepoint s", "select undo()", "select 1; rollback to s", "show timezone", serializable, "rollback", "select count(*) from kept"},
		"behind it in one text":     {"begin", "select undo()", "commit and chain; select 1", "show timezone", serializable, "rollback"},
		"in one text":               {"begin", "select undo()", "select 1; rollback and chain", "show timezone", serializable, "rollback"},
		"behind a SET":              {"begin", "select undo()", "commit and chain", "set lock_timeout = '9s'", serializable, "show timezone", "rollback", "show lock_timeout"},
		"behind a RESET":            {"begin", "select undo()", "commit and chain", "reset all", "begin isolation level repeatable read", level, "show timezone", "rollback", "show timezone"},
		"a savepoint and a RESET":   {"begin", "select undo()", "savepoint s", "reset timezone", "rollback to s", "show timezone", "commit", "show timezone"},
		"behind a SET of who it is": {"begin", "select undo()", "rollback and chain", "set session authorization pg_monitor", "begin isolation level repeatable read", level, "show timezone", "rollback"},
		"what was SET":              {"begin", "select undo()", "commit and chain", "set application_name = 'x'", "show timezone", "set datestyle = 'German'", "show datestyle", "rollback", "show application_name"},
		"no chain":                  {"begin", "select undo()", "commit and no chain", "begin", "show timezone", serializable, level, "commit"},
	} {
		for how, write := range map[string]func(string) []pgproto3.FrontendMessage{"simple": simple, "extended": group} {
			direct, through := hijack(t, g.settler(t, upstream, "timezone=Asia/Tokyo").conn), g.raw(t, "timezone=Asia/Tokyo")
			for _, sql := range statements {
				messages := write(sql)
				if strings.Contains(sql, ";") {
					messages = simple(sql)
				}
				direct.send(t, messages...)
				through.send(t, messages...)
				if got, want := said(t, through), said(t, direct); got != want {
					t.Errorf("%s, %s, %s: %q through weir, %q directly", name, how, sql, got, want)
				}
			}
			_, _ = direct.Close(), through.Close()
		}
	}
	g.balanced(t)
}
