// SPDX-License-Identifier: Apache-2.0

// Package loop runs many connections on few goroutines. It is the only package
// that knows epoll and kqueue.
//
// A Loop is a goroutine that owns a poller and the connections registered with
// it. A Task is a coroutine that a loop runs: its code reads top to bottom, and
// where a socket has nothing to give it parks until the loop sees the socket
// ready. A connection nobody works on owns no task and no buffer.
//
// What runs on a loop (tasks, Ready handlers, posted jobs) must not block: one
// blocked job stops every client of that loop. What may block goes through
// Task.Await.
package loop

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Job is something a loop runs once, on its own goroutine.
type Job interface{ Run() }

// Func is a Job made of a function.
type Func func()

// Run calls f.
func (f Func) Run() { f() }

// Group is the loops of one gateway and the table of their connections.
type Group struct {
	opts  Options
	loops []*Loop
	table table
	done  sync.WaitGroup
}

// Options are what a group is made of.
type Options struct {
	Loops  int          // at least one is started
	Logger *slog.Logger // hears of panics in jobs

	// Busy hears how long a loop stayed away from its poller at one stretch:
	// that long a ready socket may have waited. It is called on the loop's
	// goroutine.
	Busy func(loop int, d time.Duration)

	// Linger is how long a loop that has nothing to do waits in its poller
	// before it tells Go's scheduler that it waits. Telling costs more than the
	// wait where events come often: the scheduler's monitor takes the loop's
	// processor away after 20 µs and is kept awake by it. But a lingering loop
	// keeps its processor from other goroutines, so with Linger there must be
	// more processors (GOMAXPROCS) than loops. Zero tells at once: on Linux the
	// loop's goroutine then parks in Go's own poller, and holds no thread.
	Linger time.Duration
}

// NewGroup starts a group of loops.
func NewGroup(opts Options) (*Group, error) {
	g := &Group{opts: opts}
	for i := range max(opts.Loops, 1) {
		l, err := g.newLoop(i, opts.Logger)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		g.loops = append(g.loops, l)
	}
	for _, l := range g.loops {
		g.done.Go(l.run)
	}
	return g, nil
}

func (g *Group) newLoop(i int, log *slog.Logger) (*Loop, error) {
	p, err := newPoller(g.opts.Linger > 0)
	if err != nil {
		return nil, fmt.Errorf("event loop %d cannot start: %w", i, err)
	}
	return &Loop{group: g, index: i, poller: p, log: log}, nil
}

// Len returns the number of loops.
func (g *Group) Len() int { return len(g.loops) }

// Loop returns loop i, 0 <= i < Len.
func (g *Group) Loop(i int) *Loop { return g.loops[i] }

// Close stops the loops and waits for their goroutines. Connections that are
// still registered stay open and are never served again: close them first.
func (g *Group) Close() error {
	for _, l := range g.loops {
		l.Post(Func(func() { l.stopped = true }))
	}
	g.done.Wait()
	var errs []error
	for _, l := range g.loops {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// Loop is one event loop.
type Loop struct {
	// Fixed after construction.
	group  *Group
	index  int
	poller *poller
	log    *slog.Logger

	// Owned by the loop's goroutine.
	stopped bool
	batch   uint64  // how many times the poller was asked
	idle    []*Task // finished tasks that wait for their next job
	running []Job   // the batch of posted jobs being run; kept for its capacity

	// asleep is set while the goroutine is, or is about to be, blocked in the
	// poller: whoever posts then must wake it.
	asleep atomic.Bool

	mu     sync.Mutex
	posted []Job // guarded by mu
	closed bool  // guarded by mu; the poller is gone
}

// Index returns the loop's number in its group.
func (l *Loop) Index() int { return l.index }

// Post has the loop run j. Any goroutine may call it, the loop's own too; jobs
// run in the order in which they were posted.
func (l *Loop) Post(j Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posted = append(l.posted, j)
	// With the lock held, so that close cannot come between.
	if l.asleep.Load() && l.asleep.CompareAndSwap(true, false) && !l.closed {
		l.poller.wake()
	}
}

// close ends the poller of a loop that has stopped.
func (l *Loop) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return l.poller.close()
}

// After posts j once d has passed. Stop the timer to prevent it; a job that is
// already posted runs all the same, so j has to check that it is still wanted.
func (l *Loop) After(d time.Duration, j Job) *time.Timer {
	return time.AfterFunc(d, func() { l.Post(j) })
}

// idleTasks bounds the coroutines a loop keeps for reuse.
const idleTasks = 256

// Go runs serve in a task on this loop, now. Only the loop's own goroutine may
// call it, and not from inside another task.
func (l *Loop) Go(s Server) {
	var t *Task
	if n := len(l.idle); n > 0 {
		t, l.idle = l.idle[n-1], l.idle[:n-1]
	} else {
		t = newTask(l)
	}
	t.server = s
	t.resume()
}

// keep takes back a task whose job is done.
func (l *Loop) keep(t *Task) bool {
	if len(l.idle) >= idleTasks {
		return false
	}
	l.idle = append(l.idle, t)
	return true
}

// run is the loop's life.
func (l *Loop) run() {
	for !l.stopped {
		n := l.look()
		began := time.Now()
		l.dispatch(n)
		if ran := l.runPosted(); ran || n > 0 {
			l.group.opts.Busy(l.index, time.Since(began))
		}
	}
	for _, t := range l.idle {
		t.stop()
	}
}

// look asks the poller for events. Where there are none it sleeps until there
// are, or somebody posts.
func (l *Loop) look() int {
	linger := l.group.opts.Linger
	if linger > 0 {
		// A first look without the flag: under load it nearly always finds work.
		if n := l.poller.poll(0); n > 0 {
			return n
		}
	}
	l.asleep.Store(true)
	defer l.asleep.Store(false)
	// A job posted before the flag was up had nobody to wake: look again.
	l.mu.Lock()
	pending := len(l.posted) > 0
	l.mu.Unlock()
	if pending {
		return l.poller.poll(0)
	}
	if linger > 0 {
		if n := l.poller.poll(linger); n > 0 {
			return n
		}
	}
	return l.poller.wait()
}

// runPosted runs what was posted until now and reports whether there was any.
func (l *Loop) runPosted() bool {
	l.mu.Lock()
	l.running, l.posted = l.posted, l.running[:0]
	l.mu.Unlock()
	for i, j := range l.running {
		l.protect(j)
		l.running[i] = nil
	}
	return len(l.running) > 0
}

// protect runs j; a panic in it is logged and ends only this job.
func (l *Loop) protect(j Job) {
	defer l.recovered("job")
	j.Run()
}

// recovered is deferred around code of other packages.
func (l *Loop) recovered(what string) {
	if p := recover(); p != nil {
		l.log.Error("defect in weir: code on an event loop panicked", "in", what, "loop", l.index, "panic", p, "stack", string(debug.Stack()))
	}
}

// dispatch tells the connections of the poller's first n events.
func (l *Loop) dispatch(n int) {
	l.batch++
	for i := range n {
		id, ready := l.poller.event(i)
		if id == wakeID {
			l.poller.woken()
			continue
		}
		if c := l.group.table.get(id); c != nil {
			c.notify(l, ready)
		}
	}
}
