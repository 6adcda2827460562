// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"slices"
	"time"
)

// stacks holds the idle connections, one stack for each loop. The top was
// released last: it is taken first, so that the surplus at the bottom grows old
// enough to be closed. The pool's lock guards it.
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

// pop takes the top of loop's stack, or of another's if that is empty.
// The caller sets the state.
func (s *stacks[C]) pop(loop int) (c C, ok bool) {
	if s.count == 0 {
		return c, false
	}
	for len(s.loops[loop]) == 0 {
		loop = (loop + 1) % len(s.loops)
	}
	stack := s.loops[loop]
	top := len(stack) - 1
	c, stack[top] = stack[top], c // the zero C in its place keeps nothing alive
	s.loops[loop] = stack[:top]
	s.count--
	return c, true
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
