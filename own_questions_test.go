// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/testpg"
)

// hostile is what clients set that weir's own questions must not meet.
var hostile = map[string]string{
	"statement_timeout":    "set statement_timeout = '1ms'",
	"lock_timeout":         "set lock_timeout = '1ms'",
	"idle time-outs":       "set idle_in_transaction_session_timeout = '1ms'; set idle_session_timeout = '1h'",
	"a safe snapshot":      "set default_transaction_isolation = serializable; set default_transaction_read_only = on; set default_transaction_deferrable = on",
	"search_path":          "set search_path = evil, pg_catalog",
	"quotes":               "set standard_conforming_strings = off; set backslash_quote = off; set escape_string_warning = on",
	"encoding":             "set client_encoding = 'SJIS'",
	"a role":               "set role weir_without_rights",
	"row security":         "set row_security = off",
	"plans":                "set enable_seqscan = off; set enable_hashjoin = off; set jit = on; set jit_above_cost = 0; set work_mem = '64kB'; set max_stack_depth = '100kB'",
	"messages":             "set client_min_messages = error; set log_statement_stats = off",
	"everything that ends": "set lock_timeout = '1ms'; set default_transaction_isolation = serializable; set default_transaction_read_only = on; set default_transaction_deferrable = on; set statement_timeout = '1ms'",
}

// evil has what weir's questions could find first under a search_path.
const evil = `create schema evil; create domain evil.text as pg_catalog.int4;
	create function evil.current_setting(pg_catalog.text, bool default true) returns pg_catalog.text language sql as $$ select 'evil' $$;
	create function evil.octet_length(pg_catalog.text) returns int4 language sql as $$ select 1 / 0 $$;
	create function evil.equal(pg_catalog.text, pg_catalog.text) returns bool language sql as $$ select true $$;
	create operator evil.= (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = evil.equal);
	create view evil.pg_settings as select 'work_mem'::pg_catalog.text as name, 'evil'::pg_catalog.text as setting;
	grant usage on schema evil to public;
	do $$ begin create role weir_without_rights; exception when duplicate_object then null; end $$`

// Whatever a client has set, weir finds out what it set besides, and nobody waits
// for that.
func TestOwnQuestionsAreOutsideTheClientsLimits(t *testing.T) {
	t.Parallel()
	server := database(t)
	testpg.Exec(t, server, evil)
	direct := &gateway{upstream: server}
	other := direct.settler(t, server) // whom a safe snapshot would wait for
	if _, err := other.conn.Exec(bounded(t), "begin isolation level serializable; select 1 from pg_class").ReadAll(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.close(t) })
	for name, set := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := open(t, server, poolOf(1), func(c *weir.Config) { c.Pool.StatementTimeout = 0 })
			one, two := g.connect(t), g.connect(t)
			must(t, two, "set app.tenant = 'other'; set session_replication_role = local")
			began := time.Now()
			insist(t, one, set)
			insist(t, one, "set work_mem = '33MB'")
			insist(t, one, "set app.tenant = 'mine'")
			if got := ask(t, two, "select current_setting('work_mem') || coalesce(current_setting('app.tenant', true), '')"); got != "4MBother" {
				t.Errorf("another client has %q", got)
			}
			for sql, want := range map[string]string{"show work_mem": "33MB", "show app.tenant": "mine"} {
				if got := insist(t, one, sql); got != want {
					t.Errorf("%s: got %q, want %q", sql, got, want)
				}
			}
			const begin = "begin isolation level read committed not deferrable; "
			insist(t, one, begin+"declare c cursor with hold for values (1); commit")
			g.pins(t, 1)
			insist(t, one, begin+"close c; commit")
			g.pins(t, 0)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("that took %v", took)
			}
		})
	}
}

// insist runs a statement until no time limit of the client's own ends it, and
// returns the one value that it gives, if any.
func insist(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var value string
	until(t, sql+" to be carried out", func() bool {
		results, err := conn.PgConn().Exec(bounded(t), sql).ReadAll()
		if code(err) == "57014" || code(err) == "55P03" {
			if conn.PgConn().TxStatus() != 'I' {
				insist(t, conn, "rollback")
			}
			return false
		}
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if last := results[len(results)-1]; len(last.Rows) > 0 {
			value = string(last.Rows[0][0])
		}
		return true
	})
	return value
}
