// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"net/url"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/observe"
	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// sending starts a server from which everything can be replicated, and a
// gateway before it.
func sending(t *testing.T, change ...func(*weir.Config)) *gateway {
	t.Helper()
	s := testpg.New(t, pgserver.Options{Settings: map[string]string{"wal_level": "logical"}})
	return open(t, s.URL(), change...)
}

// tool runs one of PostgreSQL's programs against the gateway, with a database
// where one is named, and returns what it printed.
func (g *gateway) tool(t *testing.T, name, database string, args ...string) string {
	t.Helper()
	u, err := url.Parse(g.upstream)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	host, port, _ := strings.Cut(g.Addr().String(), ":")
	args = append([]string{"-h", host, "-p", port, "-U", u.User.Username(), "-w"}, args...)
	if database != "" {
		args = append(args, "-d", database)
	}
	cmd := osexec.CommandContext(bounded(t), testpg.Program(t, name), args...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password)
	cmd.WaitDelay = patience // for what it has started
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s\nthe gateway's log:\n%s", name, err, out, g.log.String())
	}
	return string(out)
}

func TestReplicationStartsAsWithPostgreSQL(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t))
	for _, c := range []struct{ value, query, want string }{
		{"true", "IDENTIFY_SYSTEM", "T D C Z(I)"},
		{"on", "IDENTIFY_SYSTEM", "T D C Z(I)"},
		{"YES", "IDENTIFY_SYSTEM", "T D C Z(I)"},
		{"1", "select 1", "E(0A000) Z(I)"}, // physical replication knows no SQL
		{"database", "IDENTIFY_SYSTEM", "T D C Z(I)"},
		{"database", "select 1", "T D C Z(I)"},
		{"false", "IDENTIFY_SYSTEM", "E(42601) Z(I)"},
		{"off", "select 1", "T D C Z(I)"},
	} {
		r := g.raw(t, "replication="+c.value)
		r.query(t, c.query)
		if got := r.transcript(t, 1); got != c.want {
			t.Errorf("replication=%s, %s: got %q, want %q", c.value, c.query, got, c.want)
		}
	}
	for _, value := range []string{"maybe", "", "DATABASE"} {
		if _, err := g.try(t, "replication="+value); code(err) != "22023" {
			t.Errorf("replication=%q: got %v, want 22023", value, err)
		}
	}
}

func TestReplicationGetsTheClientsOwnParameters(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.URL(t))
	conn := g.connect(t, "replication=database", "application_name=standby_one", "options=-cwork_mem=77MB", "default_query_exec_mode=simple_protocol")
	if got := ask(t, conn, "show application_name") + " " + ask(t, conn, "show work_mem"); got != "standby_one 77MB" {
		t.Errorf("got %q", got)
	}
	if n := g.Status().Clients.Replicating; n != 1 {
		t.Errorf("the status counts %d replicating clients, want 1", n)
	}
}

func TestBaseBackupThroughWeir(t *testing.T) {
	t.Parallel()
	g := sending(t)
	testpg.Exec(t, g.upstream, "create table rows as select i, repeat('x', 100) from generate_series(1, 100000) i")
	dir := filepath.Join(t.TempDir(), "copy")
	g.tool(t, "pg_basebackup", "", "-D", dir, "-X", "stream", "-c", "fast", "--no-sync")
	if out, err := osexec.CommandContext(bounded(t), testpg.Program(t, "pg_verifybackup"), dir).CombinedOutput(); err != nil {
		t.Errorf("pg_verifybackup: %v\n%s", err, out)
	}
	until(t, "both connections to end", func() bool { return g.Status().Clients.Total == 0 })
}

func TestReceiveWALThroughWeir(t *testing.T) {
	t.Parallel()
	g := sending(t)
	dir := t.TempDir()
	g.tool(t, "pg_receivewal", "", "--create-slot", "-S", "archive")
	testpg.Exec(t, g.upstream, "create table rows as select i from generate_series(1, 10000) i")
	end := testpg.Exec(t, g.upstream, "select pg_current_wal_lsn()")[0][0]
	testpg.Exec(t, g.upstream, "create table more as select i from generate_series(1, 10000) i") // it stops at what comes after the end
	g.tool(t, "pg_receivewal", "", "-D", dir, "-S", "archive", "--no-loop", "--endpos", end)
	if files, err := filepath.Glob(filepath.Join(dir, "0000*")); err != nil || len(files) == 0 {
		t.Errorf("no WAL arrived: %v, %v", files, err)
	}
	g.tool(t, "pg_receivewal", "", "--drop-slot", "-S", "archive")
}

func TestLogicalDecodingThroughWeir(t *testing.T) {
	t.Parallel()
	g := sending(t)
	g.tool(t, "pg_recvlogical", "postgres", "--create-slot", "-S", "changes", "-P", "test_decoding")
	testpg.Exec(t, g.upstream, "create table rows (n int); insert into rows values (1), (2)")
	end := testpg.Exec(t, g.upstream, "select pg_current_wal_lsn()")[0][0]
	got := g.tool(t, "pg_recvlogical", "postgres", "--start", "-S", "changes", "--no-loop", "--endpos", end, "-f", "-")
	for _, want := range []string{"table public.rows: INSERT: n[integer]:1", "table public.rows: INSERT: n[integer]:2"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	g.tool(t, "pg_recvlogical", "postgres", "--drop-slot", "-S", "changes")
}

func TestReplicationCountsInTheBudget(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.Role(t, database(t), "replication connection limit 2"), poolOf(2))
	a, b := g.connect(t), g.connect(t)
	must(t, a, "begin; select 1")
	must(t, b, "select 1; select pg_sleep(0.01)")
	// One upstream is in use and one idle, which has to make room.
	r := g.raw(t, "replication=database")
	r.query(t, "select 1")
	if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	must(t, a, "commit")
	must(t, b, "begin; select 1") // in use, or a role that is full would be given it back
	inUse := func() int {
		for _, b := range g.Status().Budgets {
			if b.Scope == observe.ScopeRole {
				return b.InUse
			}
		}
		return -1
	}
	until(t, "two connections to count", func() bool { return inUse() == 2 })
	_ = r.Close()
	until(t, "the place to be given back", func() bool { return inUse() == 1 })
	must(t, b, "rollback")
}

func TestReplicationWaitsForAPlace(t *testing.T) {
	t.Parallel()
	g := open(t, testpg.Role(t, database(t), "replication connection limit 1"), poolOf(1))
	release := hold(t, g)
	got := make(chan string, 1)
	go func() {
		r := g.raw(t, "replication=database")
		r.query(t, "select 1")
		got <- r.transcript(t, 1)
	}()
	until(t, "the login to wait", func() bool { return g.Status().Clients.Login == 1 })
	release()
	if got, want := <-got, "T D C Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReplicationCanBeCancelled(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	r := g.raw(t, "replication=database")
	r.query(t, "select pg_sleep(63)")
	executing(t, g.upstream, "pg_sleep(63)", "1")
	g.cancel(t, r.pid, r.secret, false)
	if got, want := strings.TrimPrefix(r.transcript(t, 1), "T "), "E(57014) Z(I)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReplicationEndsWithItsClient(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	r := g.raw(t, "replication=database")
	r.query(t, "select 1")
	r.transcript(t, 1)
	_ = r.Close()
	deserted(t, g.upstream)
}

func TestReplicationClientHearsWhyItsUpstreamEnded(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	r := g.raw(t, "replication=database")
	testpg.Exec(t, g.upstream, "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'walsender' and datname = current_database()")
	if got, want := r.transcript(t, 1), "E(57P01) EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestShutdownEndsReplicationAtItsEnd(t *testing.T) {
	t.Parallel()
	g := open(t, database(t))
	r := g.raw(t, "replication=database")
	ctx, over := context.WithCancel(t.Context())
	stopped := g.shutdown(ctx)
	until(t, "the shutdown to begin", func() bool { return g.Status().Draining })
	r.query(t, "select 1")
	if got, want := r.transcript(t, 1), "T D C Z(I)"; got != want {
		t.Errorf("before the end: got %q, want %q", got, want)
	}
	over()
	if got, want := r.transcript(t, 1), "E(57P01) EOF"; got != want {
		t.Errorf("at the end: got %q, want %q", got, want)
	}
	_ = r.Close()
	if err := ended(t, stopped); err == nil || !strings.Contains(err.Error(), "1 clients were still connected") {
		t.Errorf("the shutdown ended with %v", err)
	}
	deserted(t, g.upstream)
}
