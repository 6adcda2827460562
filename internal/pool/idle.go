// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"slices"
	"time"
)

// stacks holds the idle connections, one stack for each loop. The top was
// released last: where all fit equally it is taken first, so that the surplus at
// the bottom grows old enough to be closed. The pool's lock guards it.
type stacks[C Conn] struct {
	loops [][]C
	count int
}

// push puts c on the stack of its loop.
func (s *stacks[C]) push(c C, now time.Duration) {
	n := c.Node()
	n.state, n.since, n.loop = idle, now, c.Loop()
	s.loops[n.loop] = append(s.loops[n.loop], c)
	s.count++
}

// fitDepth is how far pop looks from the top of a stack for a connection that
// fits. It is about as many as a pool has where everything is small, and a look
// at all of them takes less than a tenth of what making a connection fit costs
// PostgreSQL, some 10 µs.
const fitDepth = 16

// pop takes a connection that fits from loop's stack, else from another's, as
// moving it there costs less than making one fit. Where none fits, it takes from
// loop's stack, or another's if that is empty, the one of those looked at that
// was used longest ago: whoever it fits is the least likely to come back soon.
// One for which somebody may come back is taken last. The caller sets the state.
func (s *stacks[C]) pop(loop int, fit any) (c C, ok bool) {
	if s.count == 0 {
		return c, false
	}
	for i := range s.loops {
		near := (loop + i) % len(s.loops)
		if at := s.fitting(near, fit); at >= 0 {
			return s.take(near, at), true
		}
	}
	for _, anyones := range [...]bool{false, true} {
		for i := range s.loops {
			near := (loop + i) % len(s.loops)
			if at := s.longest(near, anyones); at >= 0 {
				return s.take(near, at), true
			}
		}
	}
	panic("pool: the count of idle connections is wrong")
}

// fitting returns where in a loop's stack a connection fits for which nobody may come
// back, -1 if none does.
func (s *stacks[C]) fitting(loop int, fit any) int {
	stack := s.loops[loop]
	for at := len(stack) - 1; at >= max(len(stack)-fitDepth, 0); at-- {
		if n := stack[at].Node(); n.Fit == fit && n.For.Load() == 0 {
			return at
		}
	}
	return -1
}

// longest is fitting for the one that was used longest ago, whatever it fits; with
// anyones also if somebody may come back for it.
func (s *stacks[C]) longest(loop int, anyones bool) int {
	stack := s.loops[loop]
	for at := max(len(stack)-fitDepth, 0); at < len(stack); at++ {
		if anyones || stack[at].Node().For.Load() == 0 {
			return at
		}
	}
	return -1
}

// take takes the connection at a place of a loop's stack out.
func (s *stacks[C]) take(loop, at int) C {
	stack := s.loops[loop]
	top := len(stack) - 1
	c := stack[at]
	if at < top {
		copy(stack[at:], stack[at+1:])
	}
	var none C
	stack[top] = none // keeps nothing alive
	s.loops[loop] = stack[:top]
	s.count--
	return c
}

// remove takes c out, wherever in its stack it is. The caller sets the state.
func (s *stacks[C]) remove(c C) {
	n := c.Node()
	i := slices.Index(s.loops[n.loop], c)
	s.loops[n.loop] = slices.Delete(s.loops[n.loop], i, i+1)
	s.count--
}

// oldest is the connection that has been idle longest.
func (s *stacks[C]) oldest() (c C, ok bool) {
	for _, stack := range s.loops {
		if len(stack) > 0 && (!ok || stack[0].Node().since < c.Node().since) {
			c, ok = stack[0], true
		}
	}
	return c, ok
}

// takeIf removes every connection for which end answers true.
func (s *stacks[C]) takeIf(end func(C) bool) (taken []C) {
	for i, stack := range s.loops {
		s.loops[i] = slices.DeleteFunc(stack, func(c C) bool {
			if !end(c) {
				return false
			}
			c.Node().state = gone
			taken = append(taken, c)
			return true
		})
	}
	s.count -= len(taken)
	return taken
}
