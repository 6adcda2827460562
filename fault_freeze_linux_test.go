// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
	"github.com/weir-pg/weir/internal/testpg"
)

// TestAFrozenPostgreSQLUnderLoad suspends PostgreSQL, the postmaster and every
// backend, as the host of a virtual machine does. Its sockets stay open and
// take what is sent. Nobody may see more than that it takes longer.
func TestAFrozenPostgreSQLUnderLoad(t *testing.T) {
	t.Parallel()
	server := testpg.New(t, pgserver.Options{})
	g := open(t, server.URL(), poolOf(10))
	c := hire(t, g, server.URL())
	for range 2 {
		thaw := freeze(t, server.PID())
		until(t, "all to wait", func() bool {
			s := g.Status()
			return s.Clients.Waiting+s.Clients.Active == crewSize
		})
		<-time.After(time.Second) // of silence, while nobody can do anything
		thaw()
		c.served(t, 2)
	}
	c.dismiss(t, server.URL())
	c.flawless(t)
}

// freeze suspends a postmaster and all that it has started. thaw lets them run.
func freeze(t *testing.T, postmaster int) (thaw func()) {
	t.Helper()
	frozen := []int{postmaster}
	thaw = func() {
		for _, pid := range slices.Backward(frozen) {
			_ = syscall.Kill(pid, syscall.SIGCONT) // one that has ended needs nothing
		}
	}
	t.Cleanup(thaw)
	if err := syscall.Kill(postmaster, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "the postmaster to stop", func() bool { return processState(postmaster) == "T" })
	for _, pid := range children(t, postmaster) {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err == nil {
			frozen = append(frozen, pid)
		}
	}
	return thaw
}

// children are the processes that a process has started.
func children(t *testing.T, parent int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		if f := processStat(pid); f != nil && f[1] == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func processState(pid int) string {
	if f := processStat(pid); f != nil {
		return f[0]
	}
	return ""
}

// processStat is what follows the name in proc(5)'s stat: state, parent and
// more. It is nil for a process that has ended.
func processStat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
}
