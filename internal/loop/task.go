// SPDX-License-Identifier: Apache-2.0

package loop

import "iter"

// Server is the code of a task.
type Server interface {
	// Serve runs on a loop, as a coroutine: it may call t.Park and t.Await.
	Serve(t *Task)
}

// Task is a coroutine that runs on a loop. Only its loop's goroutine touches
// it; after a task's Serve returns, the same Task serves others.
type Task struct {
	loop   *Loop
	server Server
	resume func() // switches to the coroutine until it parks
	stop   func()
	yield  func(struct{}) bool
	parked bool
}

func newTask(l *Loop) *Task {
	t := &Task{loop: l}
	next, stop := iter.Pull(t.live)
	t.resume = func() { next() }
	t.stop = stop
	return t
}

// live is the coroutine's body: one Serve after another, parked between them.
func (t *Task) live(yield func(struct{}) bool) {
	t.yield = yield
	for {
		t.serve()
		if !t.loop.keep(t) || !yield(struct{}{}) {
			return
		}
	}
}

func (t *Task) serve() {
	defer t.loop.recovered("task")
	s := t.server
	t.server = nil
	s.Serve(t)
}

// Loop returns the loop that runs this task.
func (t *Task) Loop() *Loop { return t.loop }

// Park gives the loop back until the task is woken: by an event on a connection
// it is attached to, or by Wake. It may return without cause, so the caller
// looks again at what it waits for.
func (t *Task) Park() {
	t.parked = true
	t.yield(struct{}{})
}

// Wake resumes a parked task; a task that is not parked is left alone. Only the
// loop's goroutine may call it, outside any task.
func (t *Task) Wake() {
	if t.parked {
		t.parked = false
		t.resume()
	}
}

// Await runs f on an ordinary goroutine, where it may block, and parks the task
// until f has returned. Events of attached connections do not end the wait.
func (t *Task) Await(f func() error) error {
	return t.AwaitWatching(f, func() {})
}

// AwaitWatching is Await that calls look each time an event has woken the task
// before f has returned: it may end f.
func (t *Task) AwaitWatching(f func() error, look func()) error {
	var err error
	done := false
	go func() {
		e := f()
		t.loop.Post(Func(func() {
			err, done = e, true
			t.Wake()
		}))
	}()
	for look(); !done; look() {
		t.Park()
	}
	return err
}
