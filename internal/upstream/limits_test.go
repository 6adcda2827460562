// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/upstream"
)

func limits(t *testing.T, dsn string, ours ...uint32) upstream.Limits {
	t.Helper()
	got, err := target(t, dsn).Limits(within(t), ours)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestLimitsOfAnOrdinaryRole(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{Settings: map[string]string{
		"max_connections": "30", "superuser_reserved_connections": "4",
	}})
	database := testpg.Database(t, server.URL())
	role := testpg.Role(t, database, "connection limit 12")
	testpg.Exec(t, server.URL(), "alter database "+target(t, database).Database()+" connection limit 9")

	superuser := login(t, server.URL(), nil) // another role, another database
	inDatabase := login(t, database, nil)    // another role, this database
	ofRole := login(t, role, nil)            // this role, this database
	ours := login(t, role, nil)

	got := limits(t, role, ours.PID)
	want := upstream.Limits{
		Version: got.Version,
		Server:  30, SuperuserReserved: 4, Reserved: got.Reserved,
		Role: 12, Database: 9,
		ServerOthers: 3, RoleOthers: 1, DatabaseOthers: 2,
		StartOnly: got.StartOnly, Others: got.Others,
	}
	if again := got.Except([]uint32{ofRole.PID}); again.ServerOthers != 2 || again.RoleOthers != 0 || again.DatabaseOthers != 1 {
		t.Errorf("but for one of the role's: %+v", again)
	}
	if !slices.Contains(strings.Split(got.StartOnly, ","), "log_disconnections") {
		t.Errorf("settings that only a start sets: %q, without log_disconnections", got.StartOnly)
	}
	if got != want {
		t.Errorf("limits = %+v, want %+v", got, want)
	}
	if got.Version < 140000 || got.Version >= 200000 {
		t.Errorf("version = %d", got.Version)
	}
	for _, room := range []struct {
		of        string
		got, want int
	}{{"server", got.ServerRoom(), 30 - 4 - 3}, {"role", got.RoleRoom(), 12 - 1}, {"database", got.DatabaseRoom(), 9 - 2}} {
		if room.got != room.want {
			t.Errorf("room of the %s = %d, want %d", room.of, room.got, room.want)
		}
	}
	for _, l := range []*upstream.Login{superuser, inDatabase, ofRole, ours} {
		ask(t, l.Stream, "select 1") // all of them were open until here
	}
}

func TestSuperuserIsBoundByTheServerOnly(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	got := limits(t, testpg.Role(t, testpg.Database(t, admin), "superuser connection limit 1"))
	if !got.Superuser || got.Role != 1 {
		t.Errorf("limits = %+v, want a superuser with a limit of 1", got)
	}
	if got.RoleRoom() != upstream.Unlimited || got.DatabaseRoom() != upstream.Unlimited {
		t.Errorf("rooms = %d, %d, want none", got.RoleRoom(), got.DatabaseRoom())
	}
	if want := got.Server - got.ServerOthers; got.ServerRoom() != want {
		t.Errorf("room of the server = %d, want %d", got.ServerRoom(), want)
	}
}

func TestRooms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                   string
		limits                 upstream.Limits
		server, role, database int
	}{
		{"no limits", upstream.Limits{Server: 100, Role: -1, Database: -1}, 100, -1, -1},
		{
			"reserved slots",
			upstream.Limits{Server: 100, SuperuserReserved: 3, Reserved: 5, Role: -1, Database: -1},
			92, -1, -1,
		},
		{
			"a role that uses reserved ones",
			upstream.Limits{Server: 100, SuperuserReserved: 3, Reserved: 5, UsesReserved: true, Role: -1, Database: -1},
			97, -1, -1,
		},
		{
			"others have it all",
			upstream.Limits{Server: 5, ServerOthers: 9, Role: 3, RoleOthers: 4, Database: 0},
			0, 0, 0,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := [3]int{test.limits.ServerRoom(), test.limits.RoleRoom(), test.limits.DatabaseRoom()}
			if want := [3]int{test.server, test.role, test.database}; got != want {
				t.Errorf("server, role, database = %v, want %v", got, want)
			}
		})
	}
}

func TestWhoSetsTheStatementTimeout(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	for _, test := range []struct {
		name  string
		sql   string // with the role and the database as $role and $database
		pairs []string
		want  bool
	}{
		{"nobody", "select 1", nil, false},
		{"the role", "alter role $role set statement_timeout = '7s'", nil, true},
		{"the role to none", "alter role $role set statement_timeout = 0", nil, true},
		{"the database", "alter database $database set statement_timeout = '7s'", nil, true},
		{"the role in the database", "alter role $role in database $database set statement_timeout = '7s'", nil, true},
		{"the URL", "select 1", []string{"statement_timeout", "7s"}, true},
		{"the URL's options", "select 1", []string{"options", "-c statement_timeout=7s"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			role := testpg.Role(t, testpg.Database(t, admin), "")
			named := target(t, role)
			testpg.Exec(t, admin, strings.NewReplacer("$role", named.User(), "$database", named.Database()).Replace(test.sql))
			if got := limits(t, edit(t, role, test.pairs...)).TimeoutSet; got != test.want {
				t.Errorf("TimeoutSet = %v, want %v", got, test.want)
			}
		})
	}
}

// A role's own functions and operators must not be what the query runs.
func TestLimitsIgnoreTheSearchPath(t *testing.T) {
	t.Parallel()
	admin := testpg.Database(t, testpg.URL(t))
	role := testpg.Role(t, admin, "")
	testpg.Exec(t, admin, `
		create function public.lie(name, name) returns bool language sql as 'select false';
		create operator public.= (leftarg = name, rightarg = name, function = public.lie);
		create function public.count() returns bigint language sql as 'select 1000::bigint';
		alter role `+target(t, role).User()+` set search_path = public, pg_catalog`)
	if got := limits(t, role); got.ServerOthers >= 1000 || got.Server == 0 {
		t.Errorf("limits = %+v", got)
	}
}
