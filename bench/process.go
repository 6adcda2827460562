// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// process is a proxy that this program started and will end.
type process struct {
	cmd  *exec.Cmd
	log  string         // file that its output goes to
	end  syscall.Signal // what asks it to stop
	done chan struct{}  // closed when it has ended
}

// launch starts cmd with its output in the file log, and waits until
// something accepts connections at addr. Once launch has returned without an
// error, the caller must call stop.
func launch(ctx context.Context, cmd *exec.Cmd, log, addr string, end syscall.Signal) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	// A group of its own: Ctrl-C is for this program, which ends the others in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, log: log, end: end, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(p.done)
	}()
	if err := p.await(ctx, addr); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// await waits until addr accepts a connection, for at most a minute.
func (p *process) await(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var d net.Dialer
	for {
		if c, err := d.DialContext(ctx, "tcp", addr); err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended at once (%s); its last lines: %s", p.name(), p.cmd.ProcessState, p.lastLines())
		case <-ctx.Done():
			return fmt.Errorf("%s accepts no connection (%w); its last lines: %s", p.name(), ctx.Err(), p.lastLines())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop asks the process to end, kills it if it has not after a minute, and
// returns when it is gone.
func (p *process) stop() {
	// An error means that it has ended by itself, which is as good.
	_ = p.cmd.Process.Signal(p.end)
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) name() string { return filepath.Base(p.cmd.Path) }

// lastLines is the end of what the process has printed.
func (p *process) lastLines() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], " | ")
}

// environment is this program's own for what it starts, without the variables
// that would change what is measured: those of libpq, of weir and of the
// database that weir serves.
func environment(more ...string) []string {
	ours := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "PG") || strings.HasPrefix(v, "WEIR_") || strings.HasPrefix(v, "DATABASE_")
	})
	return append(ours, more...)
}
