// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weir-pg/weir/internal/loop"
)

func TestDataBeforeRegistrationIsReported(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		l := start(t, 1).Loop(0)
		m, peer := connect(t)
		write(t, peer, "early")
		told := make(chan struct{})
		c := register(t, l, m, ready(func(*loop.Conn) { close(told) }))
		wait(t, told)
		on(t, l, func() {
			if c.Quiet() {
				t.Error("Quiet with unread bytes")
			}
			buf := make([]byte, 16)
			if n, err := c.Read(buf); string(buf[:n]) != "early" || err != nil {
				t.Errorf("read %q, %v", buf[:n], err)
			}
			if !c.Quiet() {
				t.Error("not Quiet after everything was read")
			}
		})
	})
}

// TestReadinessIsRemembered reads long after the event, in pieces.
func TestReadinessIsRemembered(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		l := start(t, 1).Loop(0)
		m, peer := connect(t)
		var events atomic.Int32
		c := register(t, l, m, ready(func(*loop.Conn) { events.Add(1) }))
		if c.Readable() {
			t.Error("Readable before anything was sent")
		}
		write(t, peer, "abcdef")
		if !eventually(func() bool { return events.Load() == 1 }) {
			t.Fatal("no event")
		}
		on(t, l, func() {
			buf := make([]byte, 3)
			if n, err := c.Read(nil); n != 0 || err != nil || !c.Readable() {
				t.Errorf("a read of no bytes: %d, %v, readable %t", n, err, c.Readable())
			}
			for _, want := range []string{"abc", "def"} {
				if n, err := c.Read(buf); string(buf[:n]) != want || err != nil {
					t.Errorf("read %q, %v, want %q", buf[:n], err, want)
				}
			}
			if !c.Readable() {
				t.Error("a read that filled its buffer said that nothing is left")
			}
			if n, err := c.Read(buf); n != 0 || !loop.IsAgain(err) {
				t.Errorf("read %d, %v, want ErrAgain", n, err)
			}
			if c.Readable() {
				t.Error("still Readable")
			}
		})
		write(t, peer, "gh")
		if !eventually(func() bool { return events.Load() == 2 }) {
			t.Fatal("no event for new bytes")
		}
		on(t, l, func() {
			buf := make([]byte, 3)
			if n, err := c.Read(buf); n != 2 || err != nil || c.Readable() {
				t.Errorf("a short read: %d, %v, readable %t; the socket is known to be empty", n, err, c.Readable())
			}
		})
	})
}

func TestEndOfStreamComesAfterItsData(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			l := start(t, 1).Loop(0)
			ours, peer := dial(t, network)
			m, err := loop.Take(ours)
			if err != nil {
				t.Fatal(err)
			}
			var c loop.Conn
			write(t, peer, "last words")
			_ = peer.Close()
			if err := c.Init(l, m, ignore); err != nil {
				t.Fatal(err)
			}
			var got []byte
			wait(t, spawn(l, func(task *loop.Task) {
				c.Attach(task)
				defer c.Close()
				for {
					buf := make([]byte, 4)
					n, err := c.Read(buf)
					got = append(got, buf[:n]...)
					switch {
					case loop.IsAgain(err):
						task.Park()
					case err != nil:
						if !errors.Is(err, io.EOF) {
							t.Errorf("end: %v, want io.EOF", err)
						}
						return
					}
				}
			}))
			if string(got) != "last words" || !c.Gone() || c.Quiet() {
				t.Errorf("read %q, gone %t, quiet %t", got, c.Gone(), c.Quiet())
			}
		})
	}
}

func TestPeerThatLeavesIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix", "pipe"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			l := start(t, 1).Loop(0)
			ours, peer := dial(t, network)
			m, err := loop.Take(ours)
			if err != nil {
				t.Fatal(err)
			}
			c := register(t, l, m, ignore)
			_ = peer.Close()
			if !eventually(c.Gone) {
				t.Error("the end was not noticed without a read")
			}

			ours, peer = dial(t, network)
			if m, err = loop.Take(ours); err != nil {
				t.Fatal(err)
			}
			c = register(t, l, m, ignore)
			done := spawn(l, func(task *loop.Task) {
				c.Attach(task)
				for !c.Gone() {
					task.Park()
				}
			})
			_ = peer.Close()
			wait(t, done)
		})
	}
}

// TestStalledWriteGoesOn fills a socket, waits for room, and writes on. Room
// that nobody waits for is no event.
func TestStalledWriteGoesOn(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		l := start(t, 1).Loop(0)
		m, peer := connect(t)
		var events atomic.Int32
		c := register(t, l, m, ready(func(*loop.Conn) { events.Add(1) }))

		large := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
		stalled := make(chan struct{})
		done := spawn(l, func(task *loop.Task) {
			c.Attach(task)
			n, err := c.Write(large)
			if n == len(large) || !loop.IsAgain(err) {
				t.Errorf("a write of 1 MiB that nobody reads: %d, %v", n, err)
			}
			if m, err := c.Write(large); m != 0 || !loop.IsAgain(err) {
				t.Errorf("a write without room: %d, %v", m, err)
			}
			close(stalled)
			if err := writeFull(task, c, large[n:]); err != nil {
				t.Error(err)
			}
			c.Attach(nil)
		})
		wait(t, stalled)
		got := make([]byte, len(large))
		if _, err := io.ReadFull(peer, got); err != nil {
			t.Fatal(err)
		}
		wait(t, done)
		if !bytes.Equal(got, large) {
			t.Error("the peer read something else")
		}
		settle(t, l)
		before := events.Load()
		for range 10 {
			on(t, l, func() {
				if n, err := c.Write([]byte("x")); n != 1 || err != nil {
					t.Errorf("write: %d, %v", n, err)
				}
			})
			if _, err := io.ReadFull(peer, got[:1]); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, l)
		if n := events.Load() - before; n != 0 {
			t.Errorf("%d events for room that nobody asked for", n)
		}
	})
}

func TestWriteToAPeerThatHasGone(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		l := start(t, 1).Loop(0)
		m, peer := connect(t)
		c := register(t, l, m, ignore)
		_ = peer.Close()
		on(t, l, func() {
			if n, err := c.Write([]byte("x")); n != 0 || err == nil || loop.IsAgain(err) {
				t.Errorf("write: %d, %v, want an error", n, err)
			}
			if !c.Gone() {
				t.Error("not Gone after a failed write")
			}
		})
	})
}

func TestBreakEndsTheOwnersRead(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		l := start(t, 1).Loop(0)
		m, peer := connect(t)
		c := register(t, l, m, ignore)
		var got error
		parked := make(chan struct{})
		done := spawn(l, func(task *loop.Task) {
			c.Attach(task)
			close(parked)
			got = readFull(task, c, make([]byte, 1))
		})
		wait(t, parked)
		on(t, l, c.Break)
		wait(t, done)
		if !errors.Is(got, io.EOF) {
			t.Errorf("read: %v, want io.EOF", got)
		}
		if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the peer's read: %v, want io.EOF", err)
		}
	})
}

func TestCloseWriteKeepsReading(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		l := start(t, 1).Loop(0)
		m, peer := connect(t)
		c := register(t, l, m, ignore)
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the peer's read: %v, want io.EOF", err)
		}
		write(t, peer, "still here")
		buf := make([]byte, 10)
		wait(t, spawn(l, func(task *loop.Task) {
			c.Attach(task)
			if err := readFull(task, c, buf); err != nil {
				t.Error(err)
			}
			c.Attach(nil)
		}))
		if string(buf) != "still here" {
			t.Errorf("read %q", buf)
		}
	})
}

// TestCloseFromManyGoroutines closes each connection several times at once while
// its peer sends, and while descriptors are given out anew.
func TestCloseFromManyGoroutines(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		g := start(t, 2)
		for i := range 200 {
			m, peer := connect(t)
			c := new(loop.Conn)
			if err := c.Init(g.Loop(i%2), m, ignore); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			all.Go(func() { _, _ = peer.Write([]byte("hello")) })
			for range 3 {
				all.Go(func() {
					if err := c.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
			}
			all.Wait()
			if c.Quiet() || !c.Gone() {
				t.Error("a closed connection is Quiet, or not Gone")
			}
			_ = peer.Close()
		}
	})
}

// TestEventOfAClosedConnectionIsDropped has two events in one batch: whoever
// hears of the first closes the other connection.
func TestEventOfAClosedConnectionIsDropped(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		l := start(t, 1).Loop(0)
		var conns [2]loop.Conn
		var heard []int // owned by the loop
		release := hold(t, l)
		for i := range conns {
			m, peer := connect(t)
			err := conns[i].Init(l, m, ready(func(*loop.Conn) {
				heard = append(heard, i)
				_ = conns[1-i].Close()
			}))
			if err != nil {
				t.Fatal(err)
			}
			defer conns[i].Close()
			write(t, peer, "x")
		}
		release()
		settle(t, l)
		on(t, l, func() {
			if len(heard) != 1 {
				t.Errorf("heard of connections %v, want one only", heard)
			}
		})
	})
}

// TestEventOfDrainedBytesIsDropped has two events in one batch: whoever hears
// of the first reads what the second is about. An upstream connection that is
// idle by then would be taken for one that says something unasked.
func TestEventOfDrainedBytesIsDropped(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		l := start(t, 1).Loop(0)
		firstMedium, firstPeer := connect(t)
		secondMedium, secondPeer := connect(t)
		var events atomic.Int32
		second := register(t, l, secondMedium, ready(func(*loop.Conn) { events.Add(1) }))
		write(t, secondPeer, "ab")
		if !eventually(func() bool { return events.Load() == 1 }) {
			t.Fatal("no event")
		}
		register(t, l, firstMedium, ready(func(*loop.Conn) {
			buf := make([]byte, 8)
			if n, err := second.Read(buf); string(buf[:n]) != "cd" || err != nil {
				t.Errorf("read %q, %v, want cd", buf[:n], err)
			}
		}))
		on(t, l, func() {
			if _, err := second.Read(make([]byte, 2)); err != nil { // fills its buffer: readable stays
				t.Error(err)
			}
		})
		release := hold(t, l)
		write(t, firstPeer, "x")
		write(t, secondPeer, "cd")
		release()
		settle(t, l)
		on(t, l, func() {
			if n := events.Load(); n != 1 || !second.Quiet() {
				t.Errorf("%d events, quiet %t; want no event of bytes that were read", n, second.Quiet())
			}
		})
		write(t, secondPeer, "e")
		if !eventually(func() bool { return events.Load() == 2 }) {
			t.Error("later bytes are no event any more")
		}
	})
}

// hold keeps l from its poller until the returned function is called.
func hold(t testing.TB, l *loop.Loop) (release func()) {
	t.Helper()
	held, end := make(chan struct{}), make(chan struct{})
	l.Post(loop.Func(func() {
		close(held)
		<-end
	}))
	wait(t, held)
	return func() { close(end) }
}
