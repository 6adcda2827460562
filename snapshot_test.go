// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
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
