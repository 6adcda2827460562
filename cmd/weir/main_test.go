// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
)

// patience bounds what a test waits for, however slow the machine.
const patience = 2 * time.Minute

// asWeir makes this test binary behave as the weir command. weir refuses
// variables that begin with WEIR_ and that it does not know.
const asWeir = "RUN_AS_WEIR"

func TestMain(m *testing.M) {
	if os.Getenv(asWeir) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a weir in a process of its own.
type process struct {
	cmd    *exec.Cmd
	output output
	exited chan struct{}
}

// start runs weir with an environment of its own; at the end of the test it is
// killed if it still runs.
func start(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	return startWithin(t, 0, environ, args...)
}

// startWithin is start with a limit on open files, 0 for that of the test.
func startWithin(t *testing.T, files int, environ []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self, args...), exited: make(chan struct{})}
	if files > 0 {
		limited := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, files)
		p.cmd = exec.Command("/bin/sh", append([]string{"-c", limited, self}, args...)...)
	}
	p.cmd.Env = append([]string{asWeir + "=1", "HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.Getenv("TMPDIR")}, environ...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its status is in ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // fails where it has ended
		<-p.exited
		if t.Failed() {
			t.Logf("weir %s:\n%s", strings.Join(args, " "), p.output.String())
		}
	})
	return p
}

// status waits for the end and returns the exit status, -1 for a signal.
func (p *process) status(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("weir did not end within %v", patience)
		return 0
	}
}

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the first match of a pattern in the output and returns its
// group.
func (p *process) wait(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var found string
	until(t, "the output "+pattern, func() bool {
		m := re.FindStringSubmatch(p.output.String())
		if m != nil {
			found = m[len(m)-1]
		}
		return m != nil || p.ended()
	})
	if found == "" {
		t.Fatalf("weir ended without the output %s", pattern)
	}
	return found
}

// until waits for a condition.
func until(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !met() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// output collects what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// inside runs a command in this process and returns its output and exit status.
func inside(t *testing.T, environ []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := run(ctx, args, environ, &out, &errs); err != nil {
		status = report(&errs, err)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("weir %s did not end", strings.Join(args, " "))
		}
	}
	return out.String(), errs.String(), status
}

// freeAddress is an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := pgserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
