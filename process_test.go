// SPDX-License-Identifier: Apache-2.0

package weir_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	osexec "os/exec" // exec runs a statement here
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// ferry makes the test binary a program that connects to an address and carries
// bytes between that connection and its standard input and output.
const ferry = "WEIR_TEST_FERRY"

// ferryIfAsked turns a test binary that spawn has started into such a program. A
// package whose tests spawn calls it from its TestMain.
func ferryIfAsked() {
	address := os.Getenv(ferry)
	if address == "" {
		return
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		_, _ = io.Copy(conn, os.Stdin)
		os.Exit(0) // whom it works for has gone
	}()
	_, _ = io.Copy(os.Stdout, conn)
	os.Exit(0)
}

// process is a connection of another process, which can be killed.
type process struct {
	net.Conn // of nobody; for the addresses
	cmd      *osexec.Cmd
	in, out  *os.File
}

// spawn starts a process that is connected to an address. It is killed at the
// end of the test at the latest.
func spawn(t testing.TB, address string) *process {
	t.Helper()
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: osexec.Command(os.Args[0]), in: in, out: out}
	p.cmd.Env = append(os.Environ(), ferry+"="+address)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, stdout, os.Stderr
	err = p.cmd.Start()
	_, _ = stdin.Close(), stdout.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// kill ends the process as SIGKILL does: its kernel closes what it had open.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // it was killed
}

func (p *process) Close() error {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = p.in.Close()
	return p.out.Close()
}

func (p *process) Read(b []byte) (int, error)  { return p.out.Read(b) }
func (p *process) Write(b []byte) (int, error) { return p.in.Write(b) }

func (p *process) SetDeadline(t time.Time) error {
	if err := p.in.SetDeadline(t); err != nil {
		return err
	}
	return p.out.SetDeadline(t)
}

// spawn connects a process that has said nothing yet.
func (g *gateway) spawn(t testing.TB) (*raw, *process) {
	t.Helper()
	p := spawn(t, g.Addr().String())
	setDeadline(t, p)
	return &raw{Conn: p, front: pgproto3.NewFrontend(p, p)}, p
}

// apart logs a client in that is a process of its own.
func (g *gateway) apart(t testing.TB, params ...string) (*raw, *process) {
	t.Helper()
	cfg, err := pgconn.ParseConfig(g.url(params...))
	if err != nil {
		t.Fatal(err)
	}
	var p *process
	cfg.DialFunc = func(_ context.Context, _, address string) (net.Conn, error) {
		p = spawn(t, address)
		return p, nil
	}
	conn, err := pgconn.ConnectConfig(bounded(t), cfg)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return hijack(t, conn), p
}
