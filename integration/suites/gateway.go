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
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weir-pg/weir/internal/pgserver"
)

// gateway is a running weir.
type gateway struct {
	port   int
	socket string // folder of the Unix socket
	cmd    *exec.Cmd
	log    *os.File
	done   chan struct{} // closed when the process has ended
	err    error         // how it ended; valid after done
}

// patience bounds the start and the stop of weir.
const patience = 30 * time.Second

// startGateway builds weir and starts it before the server at upstream.
func startGateway(ctx context.Context, o options, dir, upstream string, settings []string) (*gateway, error) {
	binary, err := findBinary(ctx, o, dir)
	if err != nil {
		return nil, err
	}
	port, err := pgserver.FreePort()
	if err != nil {
		return nil, err
	}
	g := &gateway{port: port, socket: filepath.Join(dir, "socket"), done: make(chan struct{})}
	if err := os.Mkdir(g.socket, 0o755); err != nil {
		return nil, err
	}
	logs := dir
	if o.log != "" {
		logs = o.log
	}
	if g.log, err = os.Create(filepath.Join(logs, o.suite+"-"+string(o.mode)+"-weir.log")); err != nil {
		return nil, err
	}
	g.cmd = exec.Command(binary, "run")
	g.cmd.Dir = dir
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	g.cmd.Env = append(withoutSettings(os.Environ()),
		"DATABASE_URL="+upstream,
		fmt.Sprintf("WEIR_LISTEN=127.0.0.1:%d,%s", port, g.socket),
		"WEIR_HTTP=off",
		"WEIR_POOL_MODE="+string(o.mode),
		"WEIR_POOL_MAX="+strconv.Itoa(o.pool),
		"WEIR_LOG_LEVEL=debug",
	)
	g.cmd.Env = append(g.cmd.Env, settings...)
	// Ctrl-C in a terminal reaches us alone: weir ends after the tests.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		g.err = g.cmd.Wait()
		close(g.done)
	}()
	if err := g.ready(ctx); err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

// findBinary returns the path of weir's binary, which it builds in dir if the
// user names none.
func findBinary(ctx context.Context, o options, dir string) (string, error) {
	if o.weir != "" {
		return filepath.Abs(o.weir)
	}
	binary := filepath.Join(dir, "weir")
	// In weir's own module: this one does not know what its command needs.
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/weir-pg/weir").Output()
	if err != nil {
		return "", fmt.Errorf("find weir's module: %w", err)
	}
	tags := "-tags="
	if o.audit {
		tags += "audit"
	}
	build := exec.CommandContext(ctx, "go", "build", "-C", strings.TrimSpace(string(module)), tags, "-o", binary, "./cmd/weir")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build weir: %w: %s", err, out)
	}
	return binary, nil
}

// ready waits until weir accepts connections.
func (g *gateway) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(g.port)))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-g.done:
			return g.alive()
		case <-ctx.Done():
			return fmt.Errorf("weir does not listen on port %d: %w", g.port, err)
		}
	}
}

// alive reports as an error that weir has ended, with the end of what it said.
func (g *gateway) alive() error {
	select {
	case <-g.done:
		text, _ := os.ReadFile(g.log.Name())                                                           // without it the error is shorter
		return fmt.Errorf("weir has ended by itself: %w: %s", g.err, text[max(0, len(text)-(4<<10)):]) // 4 KiB
	default:
		return nil
	}
}

// audited reports as an error what an audit of upstreams that changed hands has
// found. weir has ended.
func (g *gateway) audited() error {
	text, err := os.ReadFile(g.log.Name())
	if err != nil {
		return err
	}
	var errs []error
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte("audit: ")) {
			errs = append(errs, errors.New(string(bytes.TrimSpace(line))))
		}
	}
	return errors.Join(errs...)
}

// stop ends weir, gently at first.
func (g *gateway) stop() error {
	defer g.log.Close()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		if err := g.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
			<-g.done
			return nil
		}
		select {
		case <-g.done:
			return nil
		case <-timer.C:
			return errors.Join(errors.New("weir did not stop in time and was killed"), g.cmd.Process.Kill())
		case <-time.After(patience / 3):
			// Once more ends it at once, whatever transactions are left.
		}
	}
}
