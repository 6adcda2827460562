// SPDX-License-Identifier: Apache-2.0

package session

import (
	"io"
	"iter"

	"github.com/weir-pg/weir/internal/loop"
	"github.com/weir-pg/weir/internal/wire"
)

const (
	// pipeSize is the buffer of one direction of an exchange.
	pipeSize = 16 << 10 // 16 KiB

	// outLimit is how many bytes may wait in a pipe, beyond its buffer, before
	// no more messages are taken from its source.
	outLimit = 64 << 10 // 64 KiB

	// outKept is the largest edit buffer that a pipe keeps for its next exchange.
	outKept = 64 << 10 // 64 KiB
)

// pipe carries the bytes of one direction from a source to a destination. It
// frames them by type and length and forwards whole ranges untouched; only
// where a message is added, changed or dropped are bytes copied.
//
//	buf  [ already sent | kept, to be sent | not framed yet |        ]
//	     0            sent               seen             fill
//
// What was edited goes to out; out is sent before buf[sent:seen].
type pipe struct {
	buf              []byte
	sent, seen, fill int
	out              []byte
	gone             uint64 // bytes sent in all
	from, to         int    // what of buf may be sent again; from is -1 where nothing
	pass             int    // bytes of the present message that are still to come, and are forwarded
	drop             int    // bytes of the present message that are still to come, and are discarded
}

// reset empties the pipe for another exchange.
func (p *pipe) reset() {
	if p.buf == nil || len(p.buf) != pipeSize {
		p.buf = make([]byte, pipeSize)
	}
	if cap(p.out) > outKept {
		p.out = nil
	}
	p.sent, p.seen, p.fill, p.pass, p.drop = 0, 0, 0, 0, 0
	p.from, p.to = -1, 0
	p.out = p.out[:0]
}

// read takes in what the source has.
func (p *pipe) read(s io.Reader) (int, error) {
	if p.fill == len(p.buf) {
		p.compact()
		if p.fill == len(p.buf) {
			return 0, loop.ErrAgain // full: the destination has to take some first
		}
	}
	n, err := s.Read(p.buf[p.fill:])
	if n > 0 && p.fill < p.to {
		p.from = -1 // overwritten
	}
	p.fill += n
	p.to = max(p.to, p.fill)
	p.carry()
	return n, err
}

// load puts bytes that were read earlier into an empty pipe.
func (p *pipe) load(b []byte) {
	p.spoil()
	p.grow(len(b)) // a request that waited can be larger than the buffer
	p.fill = copy(p.buf, b)
	p.carry()
}

// mark notes that what follows may have to be sent again.
func (p *pipe) mark() { p.from, p.to = p.seen, p.fill }

// spoil notes that what is in the buffer must not be sent again.
func (p *pipe) spoil() { p.from = -1 }

// intact reports whether everything since mark is still in the buffer.
func (p *pipe) intact() bool { return p.from >= 0 && p.pass == 0 && p.drop == 0 }

// taken returns the messages that were taken in since mark, whatever became of
// them: kept, edited or dropped. It is nil where they are not intact. What has
// come and was not looked at yet is not among them.
func (p *pipe) taken() []byte {
	switch {
	case !p.intact():
		return nil
	case p.fill == 0: // rewound: all of it was taken in, and nothing has come since
		return p.buf[p.from:p.to]
	}
	return p.buf[p.from:p.seen]
}

// replayable reports whether everything that was taken in since mark is still in
// the buffer, and was sent.
func (p *pipe) replayable() bool {
	return p.intact() && (p.sent == p.seen || p.fill == 0) && len(p.out) == 0
}

// replay goes back to mark, from where all is taken in again: what was taken in,
// and what had only come. What waits to be sent is forgotten. It returns false,
// and does nothing, where that is not intact.
func (p *pipe) replay() bool {
	if !p.intact() {
		return false
	}
	p.out = p.out[:0]
	p.sent, p.seen, p.fill = p.from, p.from, p.to
	return true
}

// position is that of the next byte taken in, counted from the pipe's beginning.
func (p *pipe) position() uint64 { return p.gone + uint64(len(p.out)+p.seen-p.sent) }

// unsent reports whether nothing from position at on has been sent.
func (p *pipe) unsent(at uint64) bool { return p.gone <= at && p.pass == 0 }

// takeBack drops what was taken in from position at on. It returns false, and
// drops nothing, where some of that was sent.
func (p *pipe) takeBack(at uint64) bool {
	p.settle()
	if at < p.gone || at > p.position() || p.pass != 0 {
		return false
	}
	p.out = p.out[:at-p.gone]
	return true
}

// takesDescribe reports whether there is a Describe among the messages taken in
// since mark.
func (p *pipe) takesDescribe() bool {
	for typ := range messages(p.taken()) {
		if typ == wire.Describe {
			return true
		}
	}
	return false
}

// messages yields the types and bodies of the whole messages in b.
func messages(b []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for {
			typ, size, ok, err := wire.Header(b)
			if !ok || err != nil || size > len(b) || !yield(typ, b[wire.HeaderSize:size]) {
				return
			}
			b = b[size:]
		}
	}
}

// carry forwards or discards what has come of a message larger than the buffer.
func (p *pipe) carry() {
	if n := min(p.pass, p.fill-p.seen); n > 0 {
		p.pass -= n
		p.seen += n
	}
	if n := min(p.drop, p.fill-p.seen); n > 0 {
		p.drop -= n
		p.cut(n)
	}
}

// compact makes room at the end of the buffer.
func (p *pipe) compact() {
	if p.sent == 0 {
		return
	}
	n := copy(p.buf, p.buf[p.sent:p.fill])
	p.from = -1
	p.seen -= p.sent
	p.sent, p.fill = 0, n
}

// grow makes the buffer hold a message of size bytes.
func (p *pipe) grow(size int) {
	p.compact()
	if p.sent+size <= len(p.buf) {
		return
	}
	if p.fill < p.to {
		p.spoil() // what may be sent again is behind fill, and is not copied
	}
	b := make([]byte, p.seen+size)
	p.fill = copy(b, p.buf[:p.fill])
	p.buf = b
}

// next frames the message at seen: its type and its whole size. ok is false
// where its header has not come yet.
func (p *pipe) next() (typ byte, size int, ok bool, err error) {
	return wire.Header(p.buf[p.seen:p.fill])
}

// have returns how many of the next message's size bytes are in the buffer.
func (p *pipe) have(size int) int { return min(size, p.fill-p.seen) }

// body returns what has come of the body of the next message.
func (p *pipe) body(size int) []byte {
	return p.buf[p.seen+wire.HeaderSize : p.seen+p.have(size)]
}

// whole reports whether all of the next message is in the buffer.
func (p *pipe) whole(size int) bool { return p.fill-p.seen >= size }

// keep forwards the next message as it is.
func (p *pipe) keep(size int) {
	n := p.have(size)
	p.seen += n
	p.pass = size - n
}

// discard drops the next message.
func (p *pipe) discard(size int) {
	n := p.have(size)
	p.cut(n)
	p.drop = size - n
}

// replace forwards the next message with its first n bytes, header included,
// replaced by what edit appends.
func (p *pipe) replace(size, n int, edit func(out []byte) []byte) {
	p.settle()
	p.out = edit(p.out)
	p.sent += n
	p.seen += n
	p.keep(size - n)
}

// settle copies what was kept to out, so that an edit can follow it.
func (p *pipe) settle() {
	p.out = append(p.out, p.buf[p.sent:p.seen]...)
	p.sent = p.seen
}

// insert adds bytes before the next message; they are what edit appends.
func (p *pipe) insert(edit func(out []byte) []byte) {
	p.settle()
	p.out = edit(p.out)
}

// flush has the destination answer what was sent so far.
func (p *pipe) flush() {
	p.insert(func(out []byte) []byte { return wire.AppendEmpty(out, wire.Flush) })
}

// cut takes the next n bytes out.
func (p *pipe) cut(n int) {
	if p.sent < p.seen {
		p.settle()
	}
	p.seen += n
	p.sent = p.seen
}

// crowded reports whether enough waits to be sent that no more should be taken.
func (p *pipe) crowded() bool { return len(p.out) >= outLimit }

// spill makes room in a full buffer whether the destination takes anything or not.
func (p *pipe) spill() {
	if p.fill == len(p.buf) && p.seen > 0 {
		p.settle()
		p.compact()
	}
}

// pending reports whether bytes wait to be sent.
func (p *pipe) pending() bool { return len(p.out) > 0 || p.sent < p.seen }

// waste forgets what waits to be sent: the destination has gone.
func (p *pipe) waste() {
	p.out = p.out[:0]
	p.sent = p.seen
	p.rewind()
}

// rewind starts the buffer again where nothing is left in it.
func (p *pipe) rewind() {
	if p.sent == p.fill {
		p.sent, p.seen, p.fill = 0, 0, 0
	}
}

// write sends what waits. It returns ErrAgain where the destination did not
// take it all.
func (p *pipe) write(s io.Writer) (int, error) {
	if len(p.out) > 0 {
		return p.writeEdited(s)
	}
	if p.sent == p.seen {
		return 0, nil
	}
	n, err := s.Write(p.buf[p.sent:p.seen])
	p.sent += n
	p.gone += uint64(n)
	p.rewind()
	return n, err
}

// writeEdited sends out and what follows it in one write.
func (p *pipe) writeEdited(s io.Writer) (int, error) {
	p.settle()
	n, err := s.Write(p.out)
	p.gone += uint64(n)
	if n == len(p.out) {
		p.out = p.out[:0]
	} else {
		p.out = p.out[:copy(p.out, p.out[n:])]
	}
	p.rewind()
	return n, err
}

// forgetRest drops what has not been framed yet and ends the present message:
// its source has gone.
func (p *pipe) forgetRest() {
	p.fill, p.pass, p.drop = p.seen, 0, 0
}
