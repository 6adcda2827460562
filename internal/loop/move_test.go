// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/weir-pg/weir/internal/loop"
)

// traveller reads a stream of counters, and goes to the next loop after every
// few bytes, as an upstream connection does between clients.
type traveller struct {
	loop.Conn

	t     *testing.T
	group *loop.Group
	want  uint32 // the next counter
	last  uint32
	rest  []byte // of a counter that has come in part
	moves int
	done  chan struct{}
}

// Serve reads a little on the task's loop and sends the connection on.
func (v *traveller) Serve(task *loop.Task) {
	if err := v.Move(task.Loop()); err != nil {
		v.t.Errorf("move: %v", err)
		close(v.done)
		return
	}
	v.moves++
	v.Attach(task)
	if !v.read(task) {
		_ = v.Close()
		close(v.done)
		return
	}
	v.Attach(nil)
	next := v.group.Loop((task.Loop().Index() + 1) % v.group.Len())
	next.Post(loop.Func(func() { next.Go(v) }))
}

// read takes one bufferful; it returns false at the end.
func (v *traveller) read(task *loop.Task) bool {
	var buf [509]byte // no multiple of a counter's size
	for {
		n, err := v.Read(buf[:])
		if loop.IsAgain(err) {
			task.Park()
			continue
		}
		if err != nil {
			v.t.Errorf("read: %v", err)
			return false
		}
		v.rest = append(v.rest, buf[:n]...)
		break
	}
	for len(v.rest) >= 4 {
		if got := binary.BigEndian.Uint32(v.rest); got != v.want {
			v.t.Errorf("counter %d came, want %d", got, v.want)
			return false
		}
		v.rest, v.want = v.rest[4:], v.want+1
	}
	return v.want < v.last
}

// Ready hears of events between two tasks. They are remembered.
func (v *traveller) Ready(*loop.Conn) {}

func TestMoveUnderTraffic(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		g := start(t, 3)
		const conns, counters = 4, 100_000
		var all []*traveller
		for range conns {
			m, peer := connect(t)
			v := &traveller{t: t, group: g, last: counters, done: make(chan struct{})}
			if err := v.Init(g.Loop(0), m, v); err != nil {
				t.Fatal(err)
			}
			go func() {
				var b []byte
				for i := range uint32(counters) {
					b = binary.BigEndian.AppendUint32(b, i)
					if len(b) < 1<<10 && i < counters-1 {
						continue
					}
					if _, err := peer.Write(b); err != nil {
						t.Errorf("peer: %v", err)
						return
					}
					b = b[:0]
				}
			}()
			g.Loop(0).Post(loop.Func(func() { g.Loop(0).Go(v) }))
			all = append(all, v)
		}
		for _, v := range all {
			wait(t, v.done)
			if v.moves < 100 {
				t.Errorf("moved %d times only", v.moves)
			}
		}
	})
}

// TestMoveTakesUnreadBytesAlong moves a connection whose event is in the old
// loop's hands: the old loop drops it, the new one reports it.
func TestMoveTakesUnreadBytesAlong(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		g := start(t, 2)
		var loops [2]atomic.Int32
		firstMedium, firstPeer := connect(t)
		secondMedium, secondPeer := connect(t)
		second := register(t, g.Loop(0), secondMedium, ready(func(c *loop.Conn) { loops[c.Loop().Index()].Add(1) }))
		register(t, g.Loop(0), firstMedium, ready(func(*loop.Conn) {
			if err := second.Move(g.Loop(1)); err != nil {
				t.Errorf("move: %v", err)
			}
		}))
		release := hold(t, g.Loop(0))
		write(t, firstPeer, "x")
		write(t, secondPeer, "y")
		release()
		settle(t, g.Loop(0))
		if !eventually(func() bool { return loops[1].Load() == 1 }) {
			t.Error("the new loop reports nothing")
		}
		if n := loops[0].Load(); n != 0 {
			t.Errorf("the old loop reported %d events of a connection that it does not have", n)
		}
	})
}

func TestMoveToItsOwnLoopIsNothing(t *testing.T) {
	t.Parallel()
	l := start(t, 1).Loop(0)
	fd, _ := sockets(t)
	c := register(t, l, fd, ignore)
	id := c.ID()
	if err := c.Move(l); err != nil || c.ID() != id {
		t.Errorf("move: %v, id %x, want %x", err, c.ID(), id)
	}
}

// TestMoveWithAStalledWrite has the new loop tell of the room that the old one
// was asked for.
func TestMoveWithAStalledWrite(t *testing.T) {
	overEach(t, func(t *testing.T, connect func(testing.TB) (loop.Medium, net.Conn)) {
		g := start(t, 2)
		m, peer := connect(t)
		c := register(t, g.Loop(0), m, ignore)
		large := bytes.Repeat([]byte("x"), 1<<20)
		n := 0
		on(t, g.Loop(0), func() {
			var err error
			if n, err = c.Write(large); !loop.IsAgain(err) {
				t.Errorf("write: %d, %v, want ErrAgain", n, err)
			}
		})
		moved := make(chan struct{})
		done := spawn(g.Loop(1), func(task *loop.Task) {
			if err := c.Move(task.Loop()); err != nil {
				t.Errorf("move: %v", err)
			}
			c.Attach(task)
			close(moved)
			if err := writeFull(task, c, large[n:]); err != nil {
				t.Error(err)
			}
			c.Attach(nil)
		})
		wait(t, moved)
		if _, err := io.CopyN(io.Discard, peer, int64(len(large))); err != nil {
			t.Fatal(err)
		}
		wait(t, done)
	})
}
