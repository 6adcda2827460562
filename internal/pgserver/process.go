// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// grace is how long each way of stopping may take before the next one.
const grace = 20 * time.Second

// process is one run of the server: the postmaster and its children.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the postmaster has ended
	gone   chan struct{} // closed when its children have ended too
}

// launch starts cmd. The postmaster and every backend inherit the writing end
// of a pipe, so its end of file means that none of them lives: backends
// outlive a postmaster that was killed, and each has a session of its own, so
// that neither its process group nor wait(2) would tell.
func launch(cmd *exec.Cmd) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe to PostgreSQL: %w", err)
	}
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{}), gone: make(chan struct{})}
	go p.wait(r)
	return p, nil
}

// wait closes exited, then gone. How the postmaster ended is in its log.
func (p *process) wait(r *os.File) {
	_ = p.cmd.Wait()
	close(p.exited)
	_, _ = io.Copy(io.Discard, r)
	r.Close()
	close(p.gone)
}

// alive reports whether the postmaster runs.
func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// stop ends the server and returns when all of it is gone. What does not end
// within grace is stopped harder; a postmaster that stops immediately kills
// children that do not react (SIGKILL_CHILDREN_AFTER_SECS in postmaster.c).
func (p *process) stop(mode Mode) error {
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL}
	if mode == Immediate {
		signals = signals[1:]
	}
	for _, sig := range signals {
		p.signal(sig)
		select {
		case <-p.gone:
			return nil
		case <-time.After(grace):
		}
	}
	return fmt.Errorf("PostgreSQL (process %d) does not end: its processes ignore SIGKILL or another program holds its files open",
		p.cmd.Process.Pid)
}

// signal sends sig to the postmaster and lets it run if it was suspended. A
// postmaster that has ended needs neither.
func (p *process) signal(sig syscall.Signal) {
	_ = p.cmd.Process.Signal(sig)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
}
