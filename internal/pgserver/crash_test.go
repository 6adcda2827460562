// SPDX-License-Identifier: Apache-2.0

package pgserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
)

func TestRestartKeepsPortAndData(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{})
	wantQuery(t, s.URL(), "create table kept as select 42 as n; select n from kept", "42")
	for _, mode := range []pgserver.Mode{pgserver.Fast, pgserver.Immediate} {
		url, pid := s.URL(), s.PID()
		if err := s.Restart(limit(t), mode); err != nil {
			t.Fatalf("Restart(%s): %v", mode, err)
		}
		if s.URL() != url || s.PID() == pid || s.PID() == 0 {
			t.Errorf("after Restart(%s): URL %s, process %d; before: %s, %d", mode, s.URL(), s.PID(), url, pid)
		}
		wantQuery(t, s.URL(), "select n from kept", "42")
	}
}

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{})
	if err := s.Start(limit(t)); err == nil {
		t.Error("Start of a running server succeeded")
	}
	for range 2 {
		if err := s.Stop(pgserver.Fast); err != nil {
			t.Fatal(err)
		}
	}
	if s.PID() != 0 {
		t.Errorf("PID = %d after Stop, want 0", s.PID())
	}
	if _, err := query(t, s.URL(), "select 1"); err == nil {
		t.Error("a stopped server answers")
	}
	if err := s.Start(limit(t)); err != nil {
		t.Fatal(err)
	}
	wantQuery(t, s.URL(), "select 1", "1")
}

func TestKilledPostmaster(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{})
	for range 2 {
		kill(t, s.PID())
		if err := waitUntil(func() bool { return s.PID() == 0 }); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(limit(t)); err != nil {
			t.Fatal(err)
		}
		wantQuery(t, s.URL(), "select 1", "1")
	}
	kill(t, s.PID())
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestCloseWhileSuspended(t *testing.T) {
	t.Parallel()
	s := start(t, pgserver.Options{})
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// victim makes the test binary a program that starts a server, says which, and
// waits to be killed.
const victim = "WEIR_PGSERVER_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victim) == "" {
		os.Exit(m.Run())
	}
	s, err := pgserver.Start(context.Background(), pgserver.Options{
		Version: os.Getenv("WEIR_TEST_PG"),
		Fetch:   true,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(s.PID(), s.SocketDir())
	select {}
}

func TestNothingIsLeftWhenWeAreKilled(t *testing.T) {
	t.Parallel()
	start(t, pgserver.Options{}) // skips where there is no server
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	kill(t, cmd.Process.Pid)
	_ = cmd.Wait() // it was killed
	if err != nil {
		t.Fatalf("the victim started no server: %v", err)
	}
	pid, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	postmaster, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatalf("the victim says %q", line)
	}
	if err := waitUntil(func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err) && syscall.Kill(postmaster, 0) == syscall.ESRCH
	}); err != nil {
		t.Errorf("process %d or folder %s: %v", postmaster, dir, err)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// waitUntil polls for what another process does.
func waitUntil(done func() bool) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return nil
		}
	}
	return errors.New("not done within a minute")
}
