// SPDX-License-Identifier: Apache-2.0

package pool

import "time"

// handoverPatience is how much later a waiter may have come and still be served
// before the oldest of all, because it is on the loop of the connection that was
// released. A hand-over within a loop saves two system calls and the wake-up of
// another thread. Where the loops are equally loaded their oldest waiters came at
// about the same time, and nearly every hand-over stays within its loop; where
// they are not, connections move to the loop whose waiters are older, and stay.
const handoverPatience = 2 * time.Millisecond

// Waiter is one place in a pool's queue, embedded in whoever waits so that
// waiting allocates nothing. It may be used again once its wait has ended.
type Waiter[C Conn] struct {
	Loop  int      // the loop the waiter runs on; set before Wait
	Fit   any      // as for TryAcquire, where a connection became idle meanwhile; set before Wait
	Owner Owner[C] // who is told; set before Wait
	// Own is set before Wait by whoever waits for no client. It counts as nobody's
	// wait, opens no connection, and is behind the clients for ownPatience.
	Own bool

	// Guarded by the pool's lock.
	queued     bool
	prev, next *Waiter[C]
	number     uint64        // arrival, over all queues
	since      time.Duration // arrival
}

// queue is the waiters of all loops: a first-in first-out list for each, so that
// both the next of one loop and, comparing heads, the oldest of all are near at
// hand. The pool's lock guards it.
type queue[C Conn] struct {
	loops   []list[C]
	own     list[C] // of those that wait for no client
	count   int     // without those
	arrived uint64
}

type list[C Conn] struct{ head, tail *Waiter[C] }

// ownPatience is for how long clients are served before a waiter that waits for
// none. It has to have its turn some time, however busy they are.
const ownPatience = 500 * time.Millisecond

// list is the one that w belongs to.
func (q *queue[C]) list(w *Waiter[C]) *list[C] {
	if w.Own {
		return &q.own
	}
	return &q.loops[w.Loop]
}

// push adds w at the end of its list.
func (q *queue[C]) push(w *Waiter[C], now time.Duration) {
	q.arrived++
	if !w.Own {
		q.count++
	}
	l := q.list(w)
	w.queued, w.number, w.since = true, q.arrived, now
	w.prev, w.next = l.tail, nil
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
}

// remove takes w out from anywhere in its list.
func (q *queue[C]) remove(w *Waiter[C]) {
	if !w.Own {
		q.count--
	}
	l := q.list(w)
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queued, w.prev, w.next = false, nil, nil
}

// oldest is the waiter that arrived first, nil if there is none.
func (q *queue[C]) oldest() *Waiter[C] {
	if q.count == 0 {
		return nil
	}
	var first *Waiter[C]
	for i := range q.loops {
		if w := q.loops[i].head; w != nil && (first == nil || w.number < first.number) {
			first = w
		}
	}
	return first
}

// next takes out the waiter that a connection on the given loop goes to, nil if
// nobody waits.
func (q *queue[C]) next(loop int, now time.Duration) *Waiter[C] {
	if own := q.own.head; own != nil && (q.count == 0 || now-own.since >= ownPatience) {
		q.remove(own)
		return own
	}
	if q.count == 0 {
		return nil
	}
	w := q.oldest()
	if near := q.loops[loop].head; near != nil && near.since-w.since < handoverPatience {
		w = near
	}
	q.remove(w)
	return w
}

// takeIf takes out, from the head of each list, the waiters for which end answers
// true, up to the first for which it does not.
func (q *queue[C]) takeIf(end func(*Waiter[C]) bool) (taken []*Waiter[C]) {
	take := func(l *list[C]) {
		for w := l.head; w != nil && end(w); w = l.head {
			q.remove(w)
			taken = append(taken, w)
		}
	}
	for i := range q.loops {
		take(&q.loops[i])
	}
	take(&q.own)
	return taken
}

// refuse tells waiters that were taken out why.
func refuse[C Conn](waiters []*Waiter[C], err error) {
	for _, w := range waiters {
		w.Owner.Refused(err)
	}
}
