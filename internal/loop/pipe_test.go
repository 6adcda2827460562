// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/weir-pg/weir/internal/loop"
)

// TestAPipeIsAConnection asks of a pipe what Go asks of every net.Conn.
func TestAPipeIsAConnection(t *testing.T) {
	t.Parallel()
	nettest.TestConn(t, func() (one, other net.Conn, stop func(), err error) {
		one, other = loop.Pipe()
		return one, other, func() { _, _ = one.Close(), other.Close() }, nil
	})
}

func TestATakenPipeIsClosedForItsOwner(t *testing.T) {
	t.Parallel()
	ours, peer := loop.Pipe()
	reading := make(chan error, 1)
	go func() {
		_, err := ours.Read(make([]byte, 1))
		reading <- err
	}()
	m, err := loop.Take(ours)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-reading; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read that waited: %v, want net.ErrClosed", err)
	}
	if _, err := ours.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v, want net.ErrClosed", err)
	}
	if _, err := loop.Take(ours); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Take: %v, want net.ErrClosed", err)
	}
	_ = ours.Close() // says nothing to the peer
	write(t, peer, "still open")
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := peer.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to an end that was closed: %v, want EPIPE", err)
	}
}

// TestArrivedSaysWhetherAReadWouldWait peeks into a pipe.
func TestArrivedSaysWhetherAReadWouldWait(t *testing.T) {
	t.Parallel()
	ours, peer := loop.Pipe()
	defer ours.Close()
	arrived := func() bool { return ours.(interface{ Arrived() bool }).Arrived() }
	if arrived() {
		t.Error("something arrived that was not sent")
	}
	write(t, peer, "x")
	if !arrived() {
		t.Error("a byte has not arrived")
	}
	if _, err := ours.Read(make([]byte, 2)); err != nil || arrived() {
		t.Errorf("arrived after it was read (%v)", err)
	}
	_ = peer.Close()
	if !arrived() {
		t.Error("the end has not arrived")
	}
}

// TestAForgottenPipeIsClosed drops an end without closing it.
func TestAForgottenPipeIsClosed(t *testing.T) {
	t.Parallel()
	ours, peer := loop.Pipe()
	defer ours.Close()
	write(t, peer, "last words")
	peer = nil //nolint:ineffassign,wastedassign // or it would be reachable until the end
	ended := make(chan error, 1)
	go func() {
		text, err := io.ReadAll(ours)
		if string(text) != "last words" {
			t.Errorf("read %q", text)
		}
		ended <- err
	}()
	if !eventually(func() bool { runtime.GC(); return len(ended) > 0 }) {
		t.Fatal("its peer waits for ever")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestWritesAreWhole has two goroutines write more than there is room for.
func TestWritesAreWhole(t *testing.T) {
	t.Parallel()
	ours, peer := loop.Pipe()
	defer ours.Close()
	expire(t, peer)
	const size = 1 << 20
	var begun atomic.Int32
	for _, letter := range []string{"a", "b"} {
		go func() {
			begun.Add(1)
			_, _ = io.WriteString(ours, strings.Repeat(letter, size)) // a failure shows as missing bytes
		}()
	}
	if !eventually(func() bool { return begun.Load() == 2 }) {
		t.Fatal("nobody writes")
	}
	got := make([]byte, 2*size)
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Fatal(err)
	}
	if first := got[:1]; bytes.Count(got[:size], first) != size || bytes.Count(got[size:], first) != 0 {
		t.Error("two Writes were mixed")
	}
}
