// SPDX-License-Identifier: Apache-2.0

package upstream_test

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/testpg"
	"github.com/weir-pg/weir/internal/upstream"
)

// take takes the socket under a login, which is the caller's from then on.
func take(t *testing.T, l *upstream.Login) (fd int) {
	t.Helper()
	m, err := l.Conn.Take()
	if err != nil {
		t.Fatal(err)
	}
	return int(m.(loop.Socket))
}

// swap takes the descriptor and puts another connection over it, as a loop
// does.
func swap(t *testing.T, l *upstream.Login) {
	t.Helper()
	fd := take(t, l)
	if _, err := l.Conn.Write([]byte("X")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write without a transport: %v, want net.ErrClosed", err)
	}
	file := os.NewFile(uintptr(fd), "")
	defer file.Close() // FileConn makes a duplicate of its own
	inner, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	l.Conn.Set(inner)
}

func TestSwapInPlainText(t *testing.T) {
	t.Parallel()
	l := login(t, testpg.URL(t), nil)
	swap(t, l)
	if got := ask(t, l.Stream, "select 1"); got != "1" {
		t.Errorf("over the new transport: %q, want 1", got)
	}
	cancels(t, l)
}

func TestTakeLeavesTheDescriptorNonBlocking(t *testing.T) {
	t.Parallel()
	l := login(t, testpg.URL(t), nil)
	fd := take(t, l)
	defer syscall.Close(fd)
	if _, err := syscall.Read(fd, make([]byte, 1)); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("read with nothing to read: %v, want EAGAIN", err)
	}
}

func TestTakeNeedsADescriptor(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	if _, err := (&upstream.Swap{Conn: ours}).Take(); err == nil {
		t.Error("a pipe in memory gave a descriptor")
	}
}
