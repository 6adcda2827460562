// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-pg/weir/internal/loop"
)

func TestTaskParksUntilItIsWoken(t *testing.T) {
	t.Parallel()
	l := start(t, 1).Loop(0)
	var steps []string // owned by the loop
	var task *loop.Task
	done := spawn(l, func(t *loop.Task) {
		task = t
		steps = append(steps, "began")
		t.Park()
		steps = append(steps, "woken")
	})
	on(t, l, func() { steps = append(steps, "between") })
	on(t, l, func() {
		task.Wake()
		task.Wake() // its Serve has returned: nothing to wake
		steps = append(steps, "after")
	})
	wait(t, done)
	if want := []string{"began", "between", "woken", "after"}; !slices.Equal(steps, want) {
		t.Errorf("steps = %q, want %q", steps, want)
	}
}

func TestAwaitLeavesTheLoopToOthers(t *testing.T) {
	t.Parallel()
	l := start(t, 1).Loop(0)
	failed := errors.New("failed")
	release := make(chan struct{})
	var task *loop.Task
	var got error
	over := false
	done := spawn(l, func(t *loop.Task) {
		task = t
		got = t.Await(func() error {
			<-release
			return failed
		})
		over = true
	})
	on(t, l, func() {
		task.Wake() // an event of a connection that the task is attached to
		if over {
			t.Error("an event ended the wait")
		}
	})
	close(release)
	wait(t, done)
	if !errors.Is(got, failed) {
		t.Errorf("Await = %v, want %v", got, failed)
	}
}

func TestPanicEndsOnlyItsJob(t *testing.T) {
	t.Parallel()
	text := &log{}
	l := startWith(t, 1, text, func(int, time.Duration) {}).Loop(0)

	l.Post(loop.Func(func() { panic("in a job") }))
	l.Post(loop.Func(func() { l.Go(serve(func(*loop.Task) { panic("in a task") })) }))
	l.Post(loop.Func(func() {
		l.Go(serve(func(task *loop.Task) {
			if err := task.Await(func() error { return nil }); err != nil {
				t.Error(err)
			}
			panic("after a wait")
		}))
	}))
	fd, peer := sockets(t)
	c := register(t, l, fd, ready(func(*loop.Conn) { panic("in a handler") }))
	write(t, peer, "x")
	if !eventually(func() bool { return strings.Count(text.String(), "defect in weir") == 4 }) {
		t.Errorf("log:\n%s\nwant four panics", text)
	}
	for _, what := range []string{"in a job", "in a task", "after a wait", "in a handler", "task_test.go"} {
		if !strings.Contains(text.String(), what) {
			t.Errorf("the log does not mention %q", what)
		}
	}
	wait(t, spawn(l, func(*loop.Task) {}))
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestTasksAreUsedAgain(t *testing.T) {
	t.Parallel()
	l := start(t, 1).Loop(0)
	var first, second *loop.Task
	wait(t, spawn(l, func(t *loop.Task) { first = t }))
	wait(t, spawn(l, func(t *loop.Task) { second = t }))
	if first != second {
		t.Error("a second task was made while one was idle")
	}
}

func TestIdleTasksAreBounded(t *testing.T) {
	t.Parallel()
	l := start(t, 1).Loop(0)
	var tasks []*loop.Task
	on(t, l, func() {
		for range loop.IdleTasks + 10 {
			l.Go(serve(func(t *loop.Task) {
				tasks = append(tasks, t)
				t.Park()
			}))
		}
		for _, task := range tasks {
			task.Wake()
		}
	})
	kept := 0
	on(t, l, func() { kept = l.Kept() })
	if kept != loop.IdleTasks {
		t.Errorf("idle tasks = %d, want %d", kept, loop.IdleTasks)
	}
}

func TestPostsRunInOrder(t *testing.T) {
	t.Parallel()
	l := start(t, 1).Loop(0)
	var order []int
	const many = 1000
	for i := range many {
		l.Post(loop.Func(func() { order = append(order, i) }))
	}
	settle(t, l)
	if len(order) != many || !slices.IsSorted(order) {
		t.Errorf("%d jobs ran, sorted: %t; want %d in order", len(order), slices.IsSorted(order), many)
	}
}

// TestPostWakesASleepingLoop posts when the loop is about to sleep, over and
// over: a wake-up that is lost leaves a job and its goroutine waiting.
func TestPostWakesASleepingLoop(t *testing.T) {
	t.Parallel()
	l := start(t, 1).Loop(0)
	rounds := 20000
	if testing.Short() {
		rounds = 2000
	}
	for _, posters := range []int{1, 2, 8} {
		var all sync.WaitGroup
		var ran atomic.Int64
		for range posters {
			all.Go(func() {
				done := make(chan struct{}, 1)
				for range rounds / posters {
					l.Post(loop.Func(func() {
						ran.Add(1)
						done <- struct{}{}
					}))
					<-done
				}
			})
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			all.Wait()
		}()
		wait(t, done)
		if got, want := ran.Load(), int64(rounds/posters*posters); got != want {
			t.Errorf("%d posters: %d jobs ran, want %d", posters, got, want)
		}
	}
}

// TestALoopThatLingers waits in the kernel with its thread, where posts and
// events have to reach it while it lingers, and, after a nanosecond, beyond.
func TestALoopThatLingers(t *testing.T) {
	t.Parallel()
	for _, linger := range []time.Duration{time.Nanosecond, time.Millisecond} {
		t.Run(linger.String(), func(t *testing.T) {
			t.Parallel()
			g, err := loop.NewGroup(loop.Options{Linger: linger, Busy: func(int, time.Duration) {}})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			l := g.Loop(0)
			m, peer := sockets(t)
			c := register(t, l, m, ignore)
			defer c.Close()
			for range 200 {
				on(t, l, func() {})
				done := spawn(l, func(task *loop.Task) {
					c.Attach(task)
					if err := readFull(task, c, make([]byte, 1)); err != nil {
						t.Error(err)
					}
					c.Attach(nil)
				})
				write(t, peer, "x")
				wait(t, done)
			}
		})
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	l := start(t, 1).Loop(0)
	never := l.After(time.Hour, loop.Func(func() { t.Error("a stopped timer's job ran") }))
	ran := make(chan struct{})
	l.After(time.Nanosecond, loop.Func(func() { close(ran) }))
	wait(t, ran)
	if !never.Stop() {
		t.Error("the timer of an hour had fired")
	}
}

func TestBusyHearsOfALongJob(t *testing.T) {
	t.Parallel()
	type stretch struct {
		loop int
		d    time.Duration
	}
	heard := make(chan stretch, 1<<10)
	g := startWith(t, 2, &log{}, func(i int, d time.Duration) {
		select {
		case heard <- stretch{i, d}:
		default:
		}
	})
	const long = 20 * time.Millisecond
	on(t, g.Loop(1), func() {
		for began := time.Now(); time.Since(began) < long; {
		}
	})
	deadline := time.After(patience)
	for {
		select {
		case s := <-heard:
			if s.loop == 1 && s.d >= long { // a machine that stalls has the other say so too
				return
			}
		case <-deadline:
			t.Fatal("nobody heard of a job of 20 ms on loop 1")
		}
	}
}

func TestGroupHasAtLeastOneLoop(t *testing.T) {
	t.Parallel()
	if got := start(t, 0).Len(); got != 1 {
		t.Errorf("loops = %d, want 1", got)
	}
	g := start(t, 3)
	for i := range g.Len() {
		if got := g.Loop(i).Index(); got != i {
			t.Errorf("loop %d says it is %d", i, got)
		}
	}
}
