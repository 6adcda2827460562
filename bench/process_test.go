// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
)

func TestLaunchQuotesAProcessThatEnds(t *testing.T) {
	t.Parallel()
	port, err := pgserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "echo no such pool >&2; exit 3")
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	_, err = launch(t.Context(), cmd, filepath.Join(t.TempDir(), "log"), addr, syscall.SIGTERM)
	for _, part := range []string{"sh ended at once", "exit status 3", "no such pool"} {
		if !wrongAs(err, part) {
			t.Errorf("got %v, want an error with %q", err, part)
		}
	}
}

func TestStopEndsTheProcess(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.Command("sleep", "600")
	p, err := launch(t.Context(), cmd, filepath.Join(t.TempDir(), "log"), l.Addr().String(), syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	p.stop()
	if err := syscall.Kill(cmd.Process.Pid, 0); err == nil {
		t.Error("the process is still there")
	}
	p.stop() // of one that has gone does nothing
}

func TestEnvironmentIsWithoutWhatChangesTheFigures(t *testing.T) {
	for _, name := range []string{"PGOPTIONS", "WEIR_POOL_MAX", "DATABASE_POOL_MAX"} {
		t.Setenv(name, "1")
	}
	t.Setenv("LANG", "C")
	got := environment("DATABASE_POOL_MAX=20")
	for entry, want := range map[string]bool{
		"PGOPTIONS=1": false, "WEIR_POOL_MAX=1": false, "DATABASE_POOL_MAX=1": false,
		"DATABASE_POOL_MAX=20": true, "LANG=C": true,
	} {
		if slices.Contains(got, entry) != want {
			t.Errorf("%s is there: %t, want %t", entry, !want, want)
		}
	}
}
