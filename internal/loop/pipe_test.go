// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"errors"
	"net"
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
