// SPDX-License-Identifier: Apache-2.0

package faultproxy

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/weir-pg/weir/internal/wire"
)

// Side is where a message comes from.
type Side uint8

const (
	// Client is who connected to the proxy: weir.
	Client Side = iota
	// Upstream is the server behind the proxy: PostgreSQL.
	Upstream
)

// Message is one message on its way through the proxy.
type Message struct {
	Conn  int  // the number of its connection in the order in which they came, from 1
	From  Side // who sent it
	Type  byte // its type, 0 for the first packet of a client, which has none
	Bytes []byte
}

// Fate is what becomes of a connection after a message was passed on.
type Fate uint8

const (
	// Live leaves the connection alone.
	Live Fate = iota
	// Reset ends it with RST for both sides, as a crash of the machine or a
	// firewall does.
	Reset
	// Close ends it with FIN for both sides, as the end of a process does.
	Close
	// Shut ends only the direction in which the message went, with FIN.
	Shut
	// Hang keeps the connection open and passes nothing on any more, in neither
	// direction, until the proxy resets or closes it.
	Hang
)

// Script decides about each message. It may change Bytes, to nothing or to what
// is no message too; they are passed on, and then the connection has its fate.
// It is called by one goroutine at a time.
type Script func(*Message) Fate

// most bounds the messages that a test sends through a proxy.
const most = 64 << 20 // 64 MiB

// read reads the next message, the first packet of a client if typed is false.
// With an error it returns what came before it.
func read(r io.Reader, typed bool) (typ byte, message []byte, err error) {
	head := make([]byte, wire.HeaderSize)
	if !typed {
		head = head[1:]
	}
	if n, err := io.ReadFull(r, head); err != nil {
		return 0, head[:n], err
	}
	size := len(head) - 4 + int(binary.BigEndian.Uint32(head[len(head)-4:]))
	if size < len(head) || size > most {
		return 0, head, fmt.Errorf("a message of %d bytes", size)
	}
	if typed {
		typ = head[0]
	}
	message = append(head, make([]byte, size-len(head))...)
	n, err := io.ReadFull(r, message[len(head):])
	return typ, message[:len(head)+n], err
}
