// SPDX-License-Identifier: Apache-2.0

package testpg_test

import (
	"errors"
	"net"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

func TestRoleWorksInItsDatabaseOnly(t *testing.T) {
	t.Parallel()
	database := testpg.Database(t, testpg.URL(t))
	role := testpg.Role(t, database, "connection limit 5")

	testpg.Exec(t, role, "create table kept (n int)")
	got := testpg.Exec(t, role, "insert into kept values (1), (null) returning n; select n from kept order by n")
	if want := [][]string{{"1"}, {""}}; !reflect.DeepEqual(got, want) {
		t.Errorf("rows = %v, want %v", got, want)
	}
	got = testpg.Exec(t, role, "select rolconnlimit, rolsuper from pg_roles where rolname = current_user")
	if want := [][]string{{"5", "f"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("role = %v, want %v", got, want)
	}
}

func TestObjectsAreDroppedAfterTheTest(t *testing.T) {
	t.Parallel()
	admin := testpg.URL(t)
	var database, role string
	t.Run("inner", func(t *testing.T) {
		database = testpg.Database(t, admin)
		role = testpg.Role(t, database, "")
		testpg.Exec(t, role, "create table left_behind ()")
	})
	for _, url := range []string{database, role} {
		name := strings.Split(url, "weir_")[1][:8]
		got := testpg.Exec(t, admin, "select datname from pg_database where datname like '%"+name+"%' "+
			"union all select rolname from pg_roles where rolname like '%"+name+"%'")
		if len(got) != 0 {
			t.Errorf("left on the server: %v", got)
		}
	}
}

func TestNewIsASecondServer(t *testing.T) {
	t.Parallel()
	s := testpg.New(t, pgserver.Options{Settings: map[string]string{"max_connections": "7"}})
	if s.URL() == testpg.URL(t) {
		t.Error("New returned the shared server")
	}
	if got := testpg.Exec(t, s.URL(), "show max_connections")[0][0]; got != "7" {
		t.Errorf("max_connections = %s, want 7", got)
	}
}

// TestExecLeavesNobodyBehind counts at once, with room for a single session.
func TestExecLeavesNobodyBehind(t *testing.T) {
	t.Parallel()
	database := testpg.Database(t, testpg.URL(t))
	role := testpg.Role(t, database, "connection limit 1")
	for range 20 {
		testpg.Exec(t, role, "select 1")
	}
	if n := testpg.Exec(t, database, "select count(*) from pg_stat_activity where datname = current_database()")[0][0]; n != "1" {
		t.Errorf("%s sessions, want the one that asks", n)
	}
}

// TestRolesAreMadeAndDroppedSideBySide changes one row of the catalog from many
// sessions.
func TestRolesAreMadeAndDroppedSideBySide(t *testing.T) {
	t.Parallel()
	database := testpg.Database(t, testpg.URL(t))
	t.Run("roles", func(t *testing.T) {
		for range 8 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for range 4 {
					testpg.Role(t, database, "")
				}
			})
		}
	})
}

func TestNobodyRefuses(t *testing.T) {
	t.Parallel()
	address := testpg.Nobody(t)
	if conn, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			conn.Close()
		}
		t.Errorf("dial: %v, want to be refused", err)
	}
	if l, err := net.Listen("tcp", address); err == nil {
		l.Close()
		t.Error("somebody else could listen there")
	}
}
