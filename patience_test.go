// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// suspend stops a backend of a server on this machine, as a machine that hangs
// does, until the test ends.
func suspend(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Skipf("cannot stop a backend: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
}

// hasty gives PostgreSQL little time to answer weir itself.
func hasty(c *weir.Config) { c.Pool.ConnectTimeout = 500 * time.Millisecond }

// TestAnUpstreamThatHangsWhileItIsMadeReadyIsReplaced has a client's role, which is
// waited for since it may be refused, never arrive on an upstream that hangs.
func TestAnUpstreamThatHangsWhileItIsMadeReadyIsReplaced(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	g := open(t, server.URL(), poolOf(2), waits(patience), hasty)
	one, other := g.connect(t), g.connect(t)
	must(t, other, "set role postgres")
	pid := number(t, one, "select pg_backend_pid()")
	suspend(t, pid)
	if again := number(t, other, "select pg_backend_pid()"); again == pid {
		t.Error("a backend that is stopped has answered")
	}
	g.balanced(t)
}

// TestAnUpstreamThatHangsAfterItsClientLeftIsClosed has a client leave inside a
// transaction on an upstream that hangs: the ROLLBACK is never answered.
func TestAnUpstreamThatHangsAfterItsClientLeftIsClosed(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	g := open(t, server.URL(), poolOf(2), hasty)
	conn := g.connect(t)
	must(t, conn, "begin")
	pid := number(t, conn, "select pg_backend_pid()")
	suspend(t, pid)
	if err := conn.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
	g.balanced(t)
}

func TestALoginIsNotHeldUpByAnUpstreamThatHangs(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	g := open(t, server.URL(), poolOf(1), waits(patience), hasty)
	pid := number(t, g.connect(t), "select pg_backend_pid()")
	suspend(t, pid)
	conn, err := g.try(t, "work_mem=5MB") // which PostgreSQL is asked about
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, conn, "show work_mem"); !strings.HasPrefix(got, "5") {
		t.Errorf("work_mem = %s", got)
	}
}
