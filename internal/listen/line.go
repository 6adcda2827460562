// SPDX-License-Identifier: Apache-2.0

package listen

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weir-pg/weir/internal/upstream"
	"github.com/weir-pg/weir/internal/wire"
)

// writePatience bounds the write of a command to PostgreSQL, which is small and
// the only one under way.
const writePatience = 30 * time.Second

// longestMessage is far above what a connection is sent that only listens: a
// payload has at most 8000 bytes (async.c, NOTIFY_PAYLOAD_MAX_LENGTH), an error
// a few texts.
const longestMessage = 1 << 20 // 1 MiB

// line is the connection while there is one.
type line struct {
	*upstream.Login

	answers chan error    // of commands, nil where all was done
	gone    chan struct{} // closed when nothing more can be read
	lost    error         // why; written before gone is closed
}

func newLine(login *upstream.Login) *line {
	return &line{Login: login, answers: make(chan error, 1), gone: make(chan struct{})}
}

// command sends a query. Its answer comes through answers.
func (l *line) command(sql string) error {
	if err := l.Stream.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return err
	}
	_, err := l.Stream.Write(wire.AppendQuery(nil, sql))
	return err
}

// close says goodbye and closes the connection.
func (l *line) close() {
	_ = l.Stream.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = l.Stream.Write(wire.AppendEmpty(nil, wire.Terminate)) // best effort, as libpq's
	_ = l.Stream.Close()
}

// read reads until the connection ends. notify is called with each
// NotificationResponse, whose bytes are its own.
func (l *line) read(notify func(message []byte)) {
	defer close(l.gone)
	in := bufio.NewReader(l.Stream)
	var failed error // of the command under way
	for {
		message, err := next(in)
		if err != nil {
			l.lost = cmp.Or(failed, err)
			return
		}
		switch message[0] {
		case wire.NotificationResponse:
			notify(message)
		case wire.ErrorResponse:
			body := message[wire.HeaderSize:]
			failed = fmt.Errorf("%s (SQLSTATE %s)", wire.Field(body, wire.FieldMessage), wire.Field(body, wire.FieldCode))
		case wire.ReadyForQuery:
			l.answers <- failed
			failed = nil
		}
	}
}

// next reads one message.
func next(in *bufio.Reader) ([]byte, error) {
	var header [wire.HeaderSize]byte
	if _, err := io.ReadFull(in, header[:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("PostgreSQL closed the connection")
		}
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(header[1:])) + 1
	if size < wire.HeaderSize || size > longestMessage {
		return nil, wire.ErrLength
	}
	message := make([]byte, size)
	copy(message, header[:])
	_, err := io.ReadFull(in, message[wire.HeaderSize:])
	return message, err
}

// quote quotes the name of a channel.
func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
