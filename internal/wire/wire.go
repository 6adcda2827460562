// SPDX-License-Identifier: Apache-2.0

// Package wire is PostgreSQL's protocol, versions 3.0 and 3.2, as bytes: it
// frames, builds and reads messages. It does no input or output and decides
// nothing. Source: PostgreSQL documentation, chapter "Frontend/Backend
// Protocol".
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"iter"
)

// Types of messages from the client.
const (
	Bind         = 'B'
	Close        = 'C'
	Describe     = 'D'
	Execute      = 'E'
	FunctionCall = 'F'
	Flush        = 'H'
	Parse        = 'P'
	Password     = 'p'
	Query        = 'Q'
	Sync         = 'S'
	Terminate    = 'X'
)

// Types of messages that both sides send while copying.
const (
	CopyData = 'd'
	CopyDone = 'c'
	CopyFail = 'f' // the client only
)

// Types of messages from the upstream.
const (
	Authentication       = 'R'
	BackendKeyData       = 'K'
	BindComplete         = '2'
	CloseComplete        = '3'
	CommandComplete      = 'C'
	CopyBothResponse     = 'W'
	CopyInResponse       = 'G'
	CopyOutResponse      = 'H'
	DataRow              = 'D'
	EmptyQueryResponse   = 'I'
	ErrorResponse        = 'E'
	FunctionCallResponse = 'V'
	NoData               = 'n'
	NoticeResponse       = 'N'
	NotificationResponse = 'A'
	ParameterDescription = 't'
	ParameterStatus      = 'S'
	ParseComplete        = '1'
	PortalSuspended      = 's'
	ReadyForQuery        = 'Z'
	RowDescription       = 'T'
)

// Transaction states in ReadyForQuery.
const (
	Idle          byte = 'I' // not in a transaction block
	InTransaction byte = 'T'
	Failed        byte = 'E' // in a block that only ROLLBACK or COMMIT ends
)

// What Close and Describe are about.
const (
	Statement byte = 'S'
	Portal    byte = 'P'
)

// HeaderSize is the size of a message's header: its type and its length.
const HeaderSize = 5

// MaxMessage is the largest message PostgreSQL takes or gives: a palloc'd
// buffer of MaxAllocSize (src/include/utils/memutils.h) in bytes.
const MaxMessage = 0x3fffffff

// ErrLength says that a message's length field cannot be right.
var ErrLength = errors.New("invalid message length")

// ErrMalformed says that a message's body does not have the form of its type.
var ErrMalformed = errors.New("malformed message")

// Header reads the header at the start of b: the type, and the size of the
// whole message including the header. ok is false where b is shorter than a
// header.
func Header(b []byte) (typ byte, size int, ok bool, err error) {
	if len(b) < HeaderSize {
		return 0, 0, false, nil
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n < 4 || n > MaxMessage {
		return b[0], 0, true, ErrLength
	}
	return b[0], int(n) + 1, true, nil
}

// CString splits b after its first zero byte; s is without the zero.
func CString(b []byte) (s, rest []byte, ok bool) {
	s, rest, ok = bytes.Cut(b, zero)
	return s, rest, ok
}

var zero = []byte{0}

// ParseMessage is the body of a Parse message; its parts point into the body.
type ParseMessage struct {
	Name, Text []byte
	OIDs       []byte // the count and the parameter types, as sent
}

// ReadParse reads the body of a Parse message.
func ReadParse(body []byte) (m ParseMessage, err error) {
	var ok bool
	if m.Name, body, ok = CString(body); !ok {
		return m, ErrMalformed
	}
	if m.Text, m.OIDs, ok = CString(body); !ok || len(m.OIDs) < 2 {
		return m, ErrMalformed
	}
	return m, nil
}

// ReadBind reads the names at the start of a Bind message, which may be there
// only in part; rest is what follows them.
func ReadBind(body []byte) (portal, statement, rest []byte, err error) {
	portal, rest, ok := CString(body)
	if !ok {
		return nil, nil, nil, ErrMalformed
	}
	statement, rest, ok = CString(rest)
	if !ok {
		return nil, nil, nil, ErrMalformed
	}
	return portal, statement, rest, nil
}

// Format is how a value is sent.
type Format uint16

// The formats of values (protocol chapter, section "Formats and Format Codes").
const (
	TextFormat   Format = 0
	BinaryFormat Format = 1
)

// BindValue finds the value of the n-th parameter, counted from 1, in what
// follows the names of a Bind message. It is not ok where there is none, it is
// null, or the message is there only in part.
func BindValue(rest []byte, n int) (value []byte, format Format, ok bool) {
	formats, rest, ok := uint16s(rest)
	if !ok || len(rest) < 2 || n < 1 || n > int(binary.BigEndian.Uint16(rest)) {
		return nil, 0, false
	}
	switch len(formats) / 2 {
	case 0:
	case 1:
		format = Format(binary.BigEndian.Uint16(formats)) // of all
	default:
		if len(formats) < 2*n {
			return nil, 0, false
		}
		format = Format(binary.BigEndian.Uint16(formats[2*(n-1):]))
	}
	rest = rest[2:]
	for range n {
		if value, rest, ok = Column(rest); !ok {
			return nil, 0, false
		}
	}
	return value, format, value != nil
}

// BindValues yields the values in what follows the names of a Bind message, nil for a
// null, up to where the message is there.
func BindValues(rest []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		_, rest, ok := uint16s(rest)
		if !ok || len(rest) < 2 {
			return
		}
		n := binary.BigEndian.Uint16(rest)
		rest = rest[2:]
		for range n {
			var value []byte
			if value, rest, ok = Column(rest); !ok || !yield(value) {
				return
			}
		}
	}
}

// uint16s splits b after a list of numbers that follows its own length.
func uint16s(b []byte) (list, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 + 2*int(binary.BigEndian.Uint16(b))
	if len(b) < n {
		return nil, nil, false
	}
	return b[2:n], b[n:], true
}

// ReadTarget reads the body of a Close or Describe message.
func ReadTarget(body []byte) (kind byte, name []byte, err error) {
	if len(body) < 2 {
		return 0, nil, ErrMalformed
	}
	name, _, ok := CString(body[1:])
	if !ok {
		return 0, nil, ErrMalformed
	}
	return body[0], name, nil
}

// ReadParameterStatus reads the body of a ParameterStatus message.
func ReadParameterStatus(body []byte) (name, value []byte, err error) {
	name, rest, ok := CString(body)
	if !ok {
		return nil, nil, ErrMalformed
	}
	value, _, ok = CString(rest)
	if !ok {
		return nil, nil, ErrMalformed
	}
	return name, value, nil
}

// Column reads the first column of what is left of a DataRow: its value, nil for
// null, and the rest.
func Column(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int32(binary.BigEndian.Uint32(b))
	if n < 0 {
		return nil, b[4:], true
	}
	if int64(n) > int64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}

// Fields of an ErrorResponse or NoticeResponse (protocol chapter, section
// "Error and Notice Message Fields").
const (
	FieldSeverity byte = 'S'
	FieldCode     byte = 'C'
	FieldMessage  byte = 'M'
	FieldPosition byte = 'P'
)

// Field returns one field of the body of an ErrorResponse or NoticeResponse,
// nil where it is absent.
func Field(body []byte, field byte) []byte {
	for len(body) > 0 && body[0] != 0 {
		value, rest, ok := CString(body[1:])
		if !ok {
			return nil
		}
		if body[0] == field {
			return value
		}
		body = rest
	}
	return nil
}
