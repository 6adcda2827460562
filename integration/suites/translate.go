// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/weir-pg/weir/internal/sqltext"
	"github.com/weir-pg/weir/internal/wire"
)

// form is how the statements of a suite that sends simple queries are sent on.
type form string

const (
	simple  form = "simple"
	unnamed form = "unnamed" // Parse, Bind, Describe, Execute and Sync of an unnamed statement
	named   form = "named"   // of a named one, each with a name of its own
)

func (f form) valid() bool { return f == simple || f == unnamed || f == named }

// keptStatements is how many named statements a session keeps before it closes the
// oldest.
const keptStatements = 20

// translator stands before a server and sends the simple queries of its clients on
// in the extended protocol: psql knows no other than simple ones. A text of several
// statements stays as it is. Answers that no simple query gets are left out.
type translator struct {
	listener net.Listener
	to       string // address
	form     form
	clients  sync.WaitGroup
}

// translate starts a translator on a free port.
func translate(to string, f form) (*translator, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &translator{listener: l, to: to, form: f}
	t.clients.Go(t.accept)
	return t, nil
}

func (t *translator) port() int { return t.listener.Addr().(*net.TCPAddr).Port }

// close ends the listener, and waits for the clients to leave.
func (t *translator) close() error {
	err := t.listener.Close()
	t.clients.Wait()
	return err
}

func (t *translator) accept() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return
		}
		t.clients.Go(func() {
			defer client.Close()
			server, err := net.Dial("tcp", t.to)
			if err != nil {
				return // the client sees its connection end
			}
			defer server.Close()
			(&translated{form: t.form, client: client, server: server}).serve()
		})
	}
}

// translated is one client.
type translated struct {
	form           form
	client, server net.Conn
	own            atomic.Bool // what is answered now was asked by a group that was a simple query
}

// maxMessage bounds what is taken for a message: 1 GiB is PostgreSQL's own.
const maxMessage = 1 << 30

// serve copies both ways until one side ends.
func (t *translated) serve() {
	both := make(chan struct{}, 2)
	go func() {
		_ = t.upward() // how it ended shows on the other side
		_ = t.server.(*net.TCPConn).CloseWrite()
		both <- struct{}{}
	}()
	go func() {
		_ = t.downward()
		_ = t.client.Close()
		both <- struct{}{}
	}()
	<-both
	<-both
}

// upward sends on what the client sends: its start-up packet, then messages.
func (t *translated) upward() error {
	r := bufio.NewReaderSize(t.client, 64<<10) // 64 KiB
	var start [4]byte
	if _, err := io.ReadFull(r, start[:]); err != nil {
		return err
	}
	rest := int64(binary.BigEndian.Uint32(start[:])) - int64(len(start))
	if _, err := t.server.Write(start[:]); err != nil {
		return err
	}
	if _, err := io.CopyN(t.server, r, rest); err != nil {
		return err
	}
	q := queries{form: t.form}
	for {
		typ, body, err := message(r)
		if err != nil {
			return err
		}
		out, own := q.translate(typ, body)
		t.own.Store(own)
		if _, err := t.server.Write(out); err != nil {
			return err
		}
	}
}

// queries is what a client has sent.
type queries struct {
	form form
	last int  // number of the last statement
	own  bool // the last request was a simple query that has become a group
}

// translate returns what a message becomes, and whether that is of a group of its
// own. The Sync of a group that copies in is ignored by PostgreSQL, so it comes again
// at the end of the data.
func (q *queries) translate(typ byte, body []byte) (out []byte, own bool) {
	text, _, ok := wire.CString(body)
	if typ == wire.Query && ok && sqltext.Scan(text).Count == 1 {
		q.own = true
		return q.group(text), true
	}
	data := typ == wire.CopyData || typ == wire.CopyDone || typ == wire.CopyFail
	q.own = q.own && data
	out = append(wire.AppendHeader(nil, typ, wire.HeaderSize+len(body)), body...)
	if q.own && typ != wire.CopyData {
		out = wire.AppendEmpty(out, wire.Sync)
	}
	return out, q.own
}

// group is one statement in the extended protocol.
func (q *queries) group(text []byte) (out []byte) {
	name := ""
	if q.form == named {
		q.last++
		name = "t" + strconv.Itoa(q.last)
		if q.last > keptStatements {
			out = wire.AppendTarget(out, wire.Close, wire.Statement, "t"+strconv.Itoa(q.last-keptStatements))
		}
	}
	out = wire.AppendParse(out, name, text, []byte{0, 0})
	out = wire.AppendBind(out, "", name)
	out = wire.AppendTarget(out, wire.Describe, wire.Portal, "")
	out = wire.AppendExecute(out, "")
	return wire.AppendEmpty(out, wire.Sync)
}

// downward sends on what the server answers, but for what a simple query does not
// get.
func (t *translated) downward() error {
	r := bufio.NewReaderSize(t.server, 64<<10) // 64 KiB
	w := bufio.NewWriterSize(t.client, 64<<10)
	for {
		typ, body, err := message(r)
		if err != nil {
			return errors.Join(err, w.Flush())
		}
		if !t.own.Load() || !extended(typ) {
			if _, err := w.Write(append(wire.AppendHeader(nil, typ, wire.HeaderSize+len(body)), body...)); err != nil {
				return err
			}
		}
		if r.Buffered() == 0 {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
}

// extended reports whether no simple query is answered so.
func extended(typ byte) bool {
	return typ == wire.ParseComplete || typ == wire.BindComplete || typ == wire.CloseComplete || typ == wire.NoData
}

// message reads one message.
func message(r *bufio.Reader) (typ byte, body []byte, err error) {
	var head [wire.HeaderSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := int64(binary.BigEndian.Uint32(head[1:])) + 1 - wire.HeaderSize
	if size < 0 || size > maxMessage {
		return 0, nil, fmt.Errorf("a message of %d bytes", size)
	}
	body = make([]byte, size)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}
