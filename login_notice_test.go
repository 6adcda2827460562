// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weir-pg/weir/internal/testpg"
)

// What PostgreSQL tells a client at its login, each client of weir is told at its
// own, whether a connection is opened for it or not.
func TestNoticesOfALoginReachEachClient(t *testing.T) {
	t.Parallel()
	url := database(t)
	testpg.Exec(t, url, `do $$begin execute format('alter database %I set default_text_search_config = ''nothing_like_it''', current_database());
		execute format('alter database %I set temp_tablespaces = ''nowhere''', current_database()); end$$`)
	if testpg.Exec(t, url, "show server_version_num")[0][0] >= "170000" {
		testpg.Exec(t, url, `create function says() returns event_trigger language plpgsql as $f$begin raise notice 'hello' using hint = 'none'; end$f$;
			create event trigger says on login execute function says(); alter event trigger says enable always`)
	}
	g := open(t, url, poolOf(2))
	told := func(at string, params ...string) (notices []pgconn.Notice) {
		t.Helper()
		config, err := pgconn.ParseConfig(at)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(params); i += 2 {
			config.RuntimeParams[params[i]] = params[i+1]
		}
		config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, *n) }
		conn, err := pgconn.ConnectConfig(bounded(t), config)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(bounded(t))
		return notices
	}
	for _, params := range [][]string{
		nil, nil,
		{"application_name", "x"},
		{"work_mem", "7MB"},
		{"client_min_messages", "warning"},
		{"client_min_messages", "error"},
		{"options", "-c Client_Min_Messages=ERROR"},
	} {
		want, got := told(url, params...), told(g.url(), params...)
		if !slices.Equal(got, want) {
			t.Errorf("%q: told %+v, directly %+v", params, got, want)
		}
		if params == nil && len(want) == 0 {
			t.Fatal("PostgreSQL says nothing")
		}
	}
	testpg.Exec(t, url, `do $$begin execute format('alter database %I reset default_text_search_config', current_database());
		execute format('alter database %I reset temp_tablespaces', current_database()); end$$`)
	until(t, "the notices to end", func() bool { return len(told(g.url())) == len(told(url)) })
}
