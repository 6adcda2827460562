// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/weir-pg/weir/internal/loop"
)

// retold is a pipe beside what is known of it without looking into it.
type retold struct {
	t    *testing.T
	r    *rand.Rand
	p    pipe
	src  *source
	dst  *sink
	next int // numbers the messages

	framed []byte // what was taken in since mark
	coming []byte // what was read and not taken in yet
	marked bool   // framed goes back to a mark
	want   []byte // what is to come out, in all
	at     uint64 // a position in that
}

// step does something to the pipe that an exchange does.
func (m *retold) step() {
	switch n := m.r.IntN(20); {
	case n < 5:
		m.read()
	case n < 12:
		m.take()
	case n < 15:
		before := len(m.dst.got)
		if _, err := m.p.write(m.dst); err != nil && !loop.IsAgain(err) {
			m.t.Fatal(err)
		}
		if m.p.gone != uint64(len(m.dst.got)) {
			m.t.Fatalf("%d bytes were sent after %d, and %d counted", len(m.dst.got), before, m.p.gone)
		}
	case n < 17:
		if m.p.pass == 0 && m.p.drop == 0 {
			m.p.mark()
			m.framed, m.marked, m.at = nil, true, m.p.position()
		}
	case n == 17:
		m.replay()
	case n == 18:
		m.takeBack()
	default:
		m.p.spoil()
		m.marked = false
	}
	m.check()
}

// read has the source say something more.
func (m *retold) read() {
	if len(m.src.rest) == 0 {
		size := edit{size: 5 + m.r.IntN(40)}
		if m.r.IntN(30) == 0 {
			size.size = m.r.IntN(3 * pipeSize)
		}
		size.size = max(size.size, 5)
		message, _ := size.message(m.next)
		m.next++
		m.src.rest = message
	}
	before := bytes.Clone(m.src.rest)
	if _, err := m.p.read(m.src); err != nil && !loop.IsAgain(err) {
		m.t.Fatal(err)
	}
	got := before[:len(before)-len(m.src.rest)]
	if m.p.pass == 0 && m.p.drop == 0 || len(m.coming) > 0 {
		m.coming = append(m.coming, got...)
	}
}

// take takes the next message in, in one of the ways in which an exchange does.
func (m *retold) take() {
	_, size, ok, err := m.p.next()
	if err != nil {
		m.t.Fatal(err)
	}
	if !ok {
		return
	}
	if !m.p.whole(size) {
		m.p.grow(size)
		return
	}
	message := bytes.Clone(m.coming[:size])
	m.coming = m.coming[size:]
	m.framed = append(m.framed, message...)
	added := []byte(fmt.Sprint("+", m.next))
	put := func(out []byte) []byte { return append(out, added...) }
	switch m.r.IntN(4) {
	case 0:
		m.p.discard(size)
		return
	case 1:
		m.p.replace(size, 5, put)
		m.want = append(append(m.want, added...), message[5:]...)
		return
	case 2:
		m.p.insert(put)
		m.want = append(m.want, added...)
	}
	m.p.keep(size)
	m.want = append(m.want, message...)
}

// replay goes back to mark, if the pipe can.
func (m *retold) replay() {
	if !m.p.replay() {
		return
	}
	m.coming = append(bytes.Clone(m.framed), m.coming...)
	m.framed = nil
	m.want = m.want[:m.p.gone]
	m.at = min(m.at, m.p.position())
}

// takeBack takes back what was taken in since mark, if the pipe can.
func (m *retold) takeBack() {
	sent := m.p.gone > m.at
	if ok := m.p.takeBack(m.at); ok == sent {
		m.t.Fatalf("takeBack(%d) with %d sent: %t", m.at, m.p.gone, ok)
	} else if ok {
		m.want = m.want[:m.at]
	}
}

// check compares what the pipe says of itself with what is known.
func (m *retold) check() {
	p := &m.p
	if p.intact() && !m.marked {
		m.t.Fatal("intact without a mark")
	}
	if taken := p.taken(); p.intact() && !bytes.Equal(taken, m.framed) {
		m.t.Fatalf("%d bytes were taken in since mark, want %d", len(taken), len(m.framed))
	}
	if rest := p.buf[p.seen:p.fill]; !bytes.Equal(rest, m.coming) {
		m.t.Fatalf("%d bytes are still to be taken in, want %d", len(rest), len(m.coming))
	}
}

// TestPipeReplaysWhatIsIntact does what an exchange does to a pipe in any order,
// and goes back. Either the pipe has all since mark, or it says that it has not.
func TestPipeReplaysWhatIsIntact(t *testing.T) {
	t.Parallel()
	replays := 0
	for seed := range uint64(80) {
		r := rand.New(rand.NewPCG(seed, 3))
		most := []int{16, 200, 1 << 12, 1 << 20}[seed%4]
		chunk := func() int { return r.IntN(most + 1) }
		m := &retold{t: t, r: r, src: &source{chunk: chunk}, dst: &sink{chunk: chunk}}
		m.p.reset()
		for range 400 {
			m.step()
			if m.p.intact() && len(m.p.taken()) > 0 {
				replays++
			}
		}
		if _, err := m.p.write(io.Discard); err != nil {
			t.Fatal(err)
		}
		if got := m.dst.got; !bytes.HasPrefix(m.want, got) {
			t.Fatalf("seed %d: what came out differs at %d of %d", seed, differ(got, m.want), len(m.want))
		}
	}
	if replays < 500 {
		t.Errorf("only %d times there was something to replay", replays)
	}
}
