// SPDX-License-Identifier: Apache-2.0

package loop_test

import (
	"io"
	"net"
	"testing"

	"github.com/weir-pg/weir/internal/loop"
)

// relay copies between two connections on a loop, with a task while there is
// something to copy and none otherwise: what a gateway does with a query.
type relay struct {
	client, upstream loop.Conn
	buf              [4 << 10]byte
}

// Ready lends the client a task.
func (r *relay) Ready(c *loop.Conn) {
	if c == &r.client {
		c.Loop().Go(r)
	}
}

// Serve carries one request and its answer.
func (r *relay) Serve(t *loop.Task) {
	r.client.Attach(t)
	r.upstream.Attach(t)
	r.carry(t, &r.client, &r.upstream)
	r.carry(t, &r.upstream, &r.client)
	r.client.Attach(nil)
	r.upstream.Attach(nil)
}

func (r *relay) carry(t *loop.Task, from, to *loop.Conn) {
	for {
		n, err := from.Read(r.buf[:])
		if loop.IsAgain(err) {
			t.Park()
			continue
		}
		if err == nil {
			_ = writeFull(t, to, r.buf[:n]) // a failure shows as a missing answer
		}
		return
	}
}

// BenchmarkRelay is a round trip of 64 bytes through a loop: from a client, which
// has a socket or a pipe, to another socket, and back.
func BenchmarkRelay(b *testing.B) {
	for _, network := range []string{"tcp", "pipe"} {
		b.Run(network, func(b *testing.B) { benchmarkRelay(b, network) })
	}
}

func benchmarkRelay(b *testing.B, network string) {
	l := start(b, 1).Loop(0)
	r := new(relay)
	ours, client := dial(b, network)
	theirs, upstream := dial(b, "tcp")
	adopt(b, l, &r.client, ours, r)
	adopt(b, l, &r.upstream, theirs, r)
	roundTrips(b, client, upstream)
	on(b, l, func() {}) // the task has ended
}

func adopt(b *testing.B, l *loop.Loop, c *loop.Conn, conn net.Conn, h loop.Handler) {
	b.Helper()
	m, err := loop.Take(conn)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Init(l, m, h); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
}

// BenchmarkRelayBaseline is the same with goroutines and Go's own poller.
func BenchmarkRelayBaseline(b *testing.B) {
	ours, client := dial(b, "tcp")
	theirs, upstream := dial(b, "tcp")
	go func() { _, _ = io.Copy(theirs, struct{ io.Reader }{ours}) }()
	go func() { _, _ = io.Copy(ours, struct{ io.Reader }{theirs}) }()
	roundTrips(b, client, upstream)
	_, _ = ours.Close(), theirs.Close()
}

// roundTrips plays both the client and the upstream.
func roundTrips(b *testing.B, client, upstream net.Conn) {
	b.Helper()
	request, got := make([]byte, 64), make([]byte, 64)
	b.SetBytes(2 * int64(len(request)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(upstream, got); err != nil {
			b.Fatal(err)
		}
		if _, err := upstream.Write(got); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, got); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPost is a job's way to a loop and back.
func BenchmarkPost(b *testing.B) {
	l := start(b, 1).Loop(0)
	done := make(chan struct{}, 1)
	job := loop.Func(func() { done <- struct{}{} })
	b.ReportAllocs()
	for b.Loop() {
		l.Post(job)
		<-done
	}
}

// BenchmarkSwitch is a task's switch to its loop and back.
func BenchmarkSwitch(b *testing.B) {
	l := start(b, 1).Loop(0)
	var task *loop.Task
	over := false
	done := spawn(l, func(t *loop.Task) {
		task = t
		for !over {
			t.Park()
		}
	})
	on(b, l, func() {
		b.ReportAllocs()
		for b.Loop() {
			task.Wake()
		}
		over = true
		task.Wake()
	})
	wait(b, done)
}
