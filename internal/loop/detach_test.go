// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-pg/weir/internal/loop"
)

func duplicate(t testing.TB, fd int) int {
	t.Helper()
	d, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
	}
	return d
}

func closeFD(t testing.TB, fd int) {
	t.Helper()
	if err := syscall.Close(fd); err != nil {
		t.Error(err)
	}
}

// TestDetachAndAdopt hands a connection that Go's poller has used to a loop.
func TestDetachAndAdopt(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			l := start(t, 1).Loop(0)
			ours, peer := dial(t, network)
			write(t, ours, "hello")
			if _, err := peer.Read(make([]byte, 5)); err != nil {
				t.Fatal(err)
			}
			var s loop.Stream
			if err := s.Adopt(&swap{ours}, ours, l, ignore); err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if !s.Plain() || s.TLS() != nil || !s.Drained() {
				t.Errorf("plain %t, TLS %v, drained %t", s.Plain(), s.TLS(), s.Drained())
			}
			if _, err := ours.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("the connection that was taken still writes: %v", err)
			}
			done := spawn(l, func(task *loop.Task) {
				s.Attach(task)
				defer s.Attach(nil)
				buf := make([]byte, 4)
				if err := readFull(task, &s, buf); err != nil || string(buf) != "ping" {
					t.Errorf("read %q, %v", buf, err)
				}
				if err := writeFull(task, &s, []byte("pong")); err != nil {
					t.Error(err)
				}
				if err := s.CloseWrite(); err != nil {
					t.Error(err)
				}
			})
			write(t, peer, "ping")
			buf := make([]byte, 8)
			n, err := peer.Read(buf)
			if err != nil || string(buf[:n]) != "pong" {
				t.Errorf("the peer read %q, %v", buf[:n], err)
			}
			wait(t, done)
		})
	}
}

func TestDetachSetsTheDescriptorUp(t *testing.T) {
	t.Parallel()
	ours, _ := dial(t, "tcp")
	fd, err := loop.Detach(ours)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(t, fd)
	if _, err := syscall.Read(fd, make([]byte, 1)); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("read of nothing: %v, want EAGAIN", err)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %x, %v: it would be inherited", flags, err)
	}
}

func TestDetachRefusesWhatHasNoDescriptor(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	if _, err := loop.Detach(ours); err == nil {
		t.Error("a pipe in memory gave a descriptor")
	}
	closed, _ := dial(t, "tcp")
	_ = closed.Close()
	if _, err := loop.Detach(closed); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed connection: %v, want net.ErrClosed", err)
	}
}
