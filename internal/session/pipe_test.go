// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/wire"
)

// source is a stream that gives its bytes in pieces of any size.
type source struct {
	rest  []byte
	chunk func() int
}

func (s *source) Read(p []byte) (int, error) {
	n := min(s.chunk(), len(s.rest), len(p))
	if n == 0 {
		return 0, loop.ErrAgain
	}
	copy(p, s.rest[:n])
	s.rest = s.rest[n:]
	return n, nil
}

// sink is a stream that takes pieces of any size.
type sink struct {
	got   []byte
	chunk func() int
}

func (s *sink) Write(p []byte) (int, error) {
	n := min(s.chunk(), len(p))
	s.got = append(s.got, p[:n]...)
	if n < len(p) {
		return n, loop.ErrAgain
	}
	return n, nil
}

// edit is what is done with one message.
type edit struct {
	op    string // keep, discard, replace, insert or gather
	size  int    // of the message
	taken int    // replace: how much of it is replaced
	put   []byte // replace, insert: what is added
}

// message returns message i of this size, and what is left of it by the edit.
func (e edit) message(i int) (message, want []byte) {
	message = wire.AppendHeader(nil, wire.DataRow, e.size)
	for len(message) < e.size {
		message = append(message, byte(i+len(message)*7))
	}
	switch e.op {
	case "discard":
		return message, nil
	case "replace":
		return message, append(bytes.Clone(e.put), message[e.taken:]...)
	case "insert":
		return message, append(bytes.Clone(e.put), message...)
	}
	return message, message
}

// apply does the edit once enough of the message has come.
func (e edit) apply(p *pipe) bool {
	put := func(out []byte) []byte { return append(out, e.put...) }
	switch e.op {
	case "keep":
		p.keep(e.size)
	case "discard":
		p.discard(e.size)
	case "replace":
		if p.have(e.size) < e.taken {
			return false
		}
		p.replace(e.size, e.taken, put)
	case "insert":
		p.insert(put)
		p.keep(e.size)
	case "gather":
		if !p.whole(e.size) {
			p.grow(e.size)
			return false
		}
		p.keep(e.size)
	}
	return true
}

// carry sends all messages through a pipe, and compares with the naive edit of
// their concatenation.
func carry(t *testing.T, edits []edit, chunk func() int) {
	t.Helper()
	src, dst := &source{chunk: chunk}, &sink{chunk: chunk}
	var want []byte
	largest := 0
	for i, e := range edits {
		message, left := e.message(i)
		src.rest = append(src.rest, message...)
		want = append(want, left...)
		if e.op == "gather" {
			largest = max(largest, e.size)
		}
		largest = max(largest, len(e.put))
	}
	var p pipe
	p.reset()
	for next := 0; next < len(edits) || p.pending() || len(src.rest) > 0; {
		for next < len(edits) && !p.crowded() {
			typ, size, ok, err := p.next()
			if err != nil || ok && (typ != wire.DataRow || size != edits[next].size) {
				t.Fatalf("message %d: framed %q, %d, %v, want %d bytes", next, typ, size, err, edits[next].size)
			}
			if !ok || !edits[next].apply(&p) {
				break
			}
			next++
		}
		if !p.crowded() {
			if _, err := p.read(src); err != nil && !loop.IsAgain(err) {
				t.Fatal(err)
			}
		}
		if _, err := p.write(dst); err != nil && !loop.IsAgain(err) {
			t.Fatal(err)
		}
		if limit := outLimit + 2*(pipeSize+largest); len(p.out) > limit || len(p.buf) > limit {
			t.Fatalf("%d bytes in the buffer and %d beside it, want at most %d", len(p.buf), len(p.out), limit)
		}
		if p.sent > p.seen || p.seen > p.fill || p.fill > len(p.buf) {
			t.Fatalf("sent %d, seen %d, fill %d of %d", p.sent, p.seen, p.fill, len(p.buf))
		}
	}
	if p.pass != 0 || p.drop != 0 {
		t.Errorf("still to come at the end: %d to pass, %d to drop", p.pass, p.drop)
	}
	if !bytes.Equal(dst.got, want) {
		t.Errorf("%d bytes came out, want %d, and they differ at %d", len(dst.got), len(want), differ(dst.got, want))
	}
}

// differ returns where a and b begin to differ.
func differ(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// editsOf reads a script of edits, four bytes each.
func editsOf(script []byte) []edit {
	ops := []string{"keep", "keep", "discard", "replace", "insert", "gather"}
	var list []edit
	for ; len(script) >= 4 && len(list) < 200; script = script[4:] {
		e := edit{op: ops[int(script[0])%len(ops)]}
		e.size = wire.HeaderSize + int(script[1])
		if script[2]%8 == 0 {
			e.size += int(script[1]) << 9 // up to 128 KiB: larger than the buffer
		}
		if e.op == "replace" || e.op == "insert" {
			e.put = bytes.Repeat([]byte{script[3]}, int(script[3])<<(script[2]%6))
		}
		e.taken = wire.HeaderSize + int(script[2])%(1+min(e.size-wire.HeaderSize, 100))
		list = append(list, e)
	}
	return list
}

func FuzzPipe(f *testing.F) {
	f.Add([]byte{0, 10, 1, 0, 2, 10, 1, 0, 3, 10, 3, 4, 4, 10, 1, 5, 5, 200, 0, 0, 0, 200, 0, 0, 2, 200, 0, 0}, uint64(1))
	f.Add([]byte{0, 255, 0, 0, 5, 255, 0, 0, 5, 255, 0, 0, 3, 255, 8, 9}, uint64(2))
	f.Add([]byte{4, 1, 5, 255, 4, 1, 5, 255, 4, 1, 5, 255, 4, 1, 5, 255, 2, 9, 1, 1}, uint64(3))
	f.Fuzz(func(t *testing.T, script []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		most := 200 + int(seed%(40<<10))
		carry(t, editsOf(script), func() int { return r.IntN(most + 1) })
	})
}

func TestPipeEqualsTheNaiveEdit(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			script := make([]byte, 4*(1+r.IntN(150)))
			for i := range script {
				script[i] = byte(r.Uint32())
			}
			most := []int{1 << 9, 1 << 12, pipeSize, pipeSize + 1, 1 << 20}[seed%5]
			carry(t, editsOf(script), func() int { return r.IntN(most + 1) })
		})
	}
}

// endless is a source without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestPipeStreamsAMessageOfAnySize sends 1 GiB, and keeps a buffer's worth.
func TestPipeStreamsAMessageOfAnySize(t *testing.T) {
	t.Parallel()
	const size = 1 << 30
	var p pipe
	p.reset()
	p.load(wire.AppendHeader(nil, wire.DataRow, size))
	p.keep(size)
	sent := 0
	for p.pending() || p.pass > 0 {
		n, err := p.write(io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		sent += n
		if p.pass > 0 {
			if _, err := p.read(endless{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if sent < size || len(p.buf) != pipeSize || cap(p.out) != 0 {
		t.Errorf("sent %d of %d; a buffer of %d and %d beside it", sent, size, len(p.buf), cap(p.out))
	}
}

// TestPipeLoadsMoreThanItsBuffer: what a client sent before it had to wait can
// be a message that was gathered.
func TestPipeLoadsMoreThanItsBuffer(t *testing.T) {
	t.Parallel()
	message, _ := edit{size: 5 * pipeSize}.message(0)
	var p pipe
	p.reset()
	p.load(message)
	_, size, ok, err := p.next()
	if !ok || err != nil || !p.whole(size) {
		t.Fatalf("a message of %d bytes: framed %d, %t, %v; %d are there", len(message), size, ok, err, p.have(size))
	}
	p.keep(size)
	var got bytes.Buffer
	if _, err := p.write(&got); err != nil || !bytes.Equal(got.Bytes(), message) {
		t.Errorf("%d bytes came out of %d, %v", got.Len(), len(message), err)
	}
	p.reset()
	if len(p.buf) != pipeSize {
		t.Errorf("a buffer of %d bytes was kept", len(p.buf))
	}
}

func TestPipeSaysWhenItIsFull(t *testing.T) {
	t.Parallel()
	var p pipe
	p.reset()
	p.load(wire.AppendHeader(nil, wire.DataRow, 1<<20))
	p.keep(1 << 20)
	for range 3 {
		n, err := p.read(endless{})
		if err != nil && !loop.IsAgain(err) || err == nil && n == 0 {
			t.Fatal(n, err)
		}
	}
	if n, err := p.read(endless{}); n != 0 || !loop.IsAgain(err) {
		t.Errorf("a read into a full buffer: %d, %v, want ErrAgain", n, err)
	}
	kept := p.position()
	p.spill()
	if n, err := p.read(endless{}); n == 0 || err != nil || p.position() != kept+uint64(n) {
		t.Errorf("a read after spill: %d, %v; the position went from %d to %d", n, err, kept, p.position())
	}
}

// TestPipeForgets is what happens when one of the ends has gone.
func TestPipeForgets(t *testing.T) {
	t.Parallel()
	first, _ := edit{size: 100}.message(1)
	second, _ := edit{size: 200}.message(2)
	var p pipe
	p.reset()
	p.load(append(bytes.Clone(first), second[:50]...))
	p.insert(func(out []byte) []byte { return append(out, "added"...) })
	p.keep(100)
	p.waste()
	if p.pending() {
		t.Error("pending after waste")
	}
	_, size, ok, _ := p.next()
	if !ok || size != 200 {
		t.Errorf("waste took the next message too: %d, %t", size, ok)
	}
	p.keep(200)
	p.forgetRest()
	var got bytes.Buffer
	if _, err := p.write(&got); err != nil || !bytes.Equal(got.Bytes(), second[:50]) || p.pass != 0 {
		t.Errorf("%d bytes came out, %v, %d to pass; want the 50 that were there", got.Len(), err, p.pass)
	}
}

// TestPipeReplays sends a group again, as long as nothing came after it.
func TestPipeReplays(t *testing.T) {
	t.Parallel()
	first, _ := edit{size: 30}.message(1)
	group := wire.AppendTarget(nil, wire.Describe, wire.Statement, "s")
	group = wire.AppendEmpty(group, wire.Sync)
	var p pipe
	p.reset()
	p.load(append(bytes.Clone(first), group...))
	var got bytes.Buffer
	pass := func() {
		for {
			_, size, ok, err := p.next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			p.keep(size)
		}
		if _, err := p.write(&got); err != nil {
			t.Fatal(err)
		}
	}
	p.keep(30)
	p.mark()
	pass()
	if !p.replayable() || !p.takesDescribe() {
		t.Fatalf("replayable %t, with a Describe %t", p.replayable(), p.takesDescribe())
	}
	p.replay()
	pass()
	if want := string(first) + string(group) + string(group); got.String() != want {
		t.Errorf("sent %q, want %q", got.String(), want)
	}
	next := &source{rest: bytes.Clone(first), chunk: func() int { return 1 << 10 }}
	if _, err := p.read(next); err != nil {
		t.Fatal(err)
	}
	if p.replayable() {
		t.Error("replayable after other bytes took the group's place")
	}
}

// BenchmarkPipe carries messages of about 100 bytes.
func BenchmarkPipe(b *testing.B) {
	message := wire.End(append([]byte{wire.DataRow, 0, 0, 0, 0}, make([]byte, 95)...), 0)
	batch := bytes.Repeat(message, 100)
	var p pipe
	p.reset()
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	var src bytes.Reader
	for b.Loop() {
		src.Reset(batch)
		for src.Len() > 0 {
			if _, err := p.read(&src); err != nil {
				b.Fatal(err)
			}
			for {
				_, size, ok, err := p.next()
				if err != nil {
					b.Fatal(err)
				}
				if !ok {
					break
				}
				p.keep(size)
			}
			if _, err := p.write(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	}
}
