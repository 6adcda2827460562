// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"sync"
	"testing"

	"github.com/weir-pg/weir/internal/loop"
)

func TestSlotsAreUsedAgainUnderNewGenerations(t *testing.T) {
	t.Parallel()
	g := start(t, 2)
	seen := make(map[uint64]bool)
	slots := make(map[uint32]bool)
	for range 100 {
		fd, peer := sockets(t)
		c := new(loop.Conn)
		if err := c.Init(g.Loop(0), fd, ignore); err != nil {
			t.Fatal(err)
		}
		id := c.ID()
		if id == loop.WakeID || id>>32 == 0 {
			t.Errorf("id %x is the wake-up's", id)
		}
		if seen[id] {
			t.Errorf("id %x was given twice", id)
		}
		seen[id], slots[uint32(id)] = true, true
		if g.Find(id) != c {
			t.Errorf("id %x does not find its connection", id)
		}

		if err := c.Move(g.Loop(1)); err != nil {
			t.Fatal(err)
		}
		moved := c.ID()
		if uint32(moved) != uint32(id) || moved>>32 == id>>32 {
			t.Errorf("id %x became %x by a move, want the same slot and another generation", id, moved)
		}
		if g.Find(id) != nil || g.Find(moved) != c {
			t.Error("after a move the old id is found, or the new one is not")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if g.Find(id) != nil || g.Find(moved) != nil || g.Find(loop.WakeID) != nil {
			t.Error("a closed connection is found")
		}
		_ = peer.Close()
	}
	if len(slots) != 1 {
		t.Errorf("%d slots for one connection at a time", len(slots))
	}
}

func TestUnknownIDsFindNothing(t *testing.T) {
	t.Parallel()
	g := start(t, 1)
	for _, id := range []uint64{0, 1, 1 << 32, 1<<32 | 1<<21, 1<<32 | (1<<22 - 1)} {
		if c := g.Find(id); c != nil {
			t.Errorf("id %x finds %p in an empty table", id, c)
		}
	}
}

func TestTableGrowsWhileOthersRead(t *testing.T) {
	t.Parallel()
	g := start(t, 1)
	const each = 300 // several goroutines: more than one chunk of 1024
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			fd, peer := sockets(t)
			defer peer.Close()
			_ = fd
			for range each {
				c := new(loop.Conn)
				if err := c.Init(g.Loop(0), loop.Socket(duplicate(t, int(fd))), ignore); err != nil {
					t.Errorf("register: %v", err)
					return
				}
				defer c.Close()
				if g.Find(c.ID()) != c {
					t.Error("a registered connection is not found")
				}
			}
			closeFD(t, int(fd))
		})
	}
	all.Wait()
}
