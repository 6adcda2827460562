// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/weir-pg/weir/internal/sqlstate"
)

// Begin appends the header of a message whose length is not known yet and
// returns where the message starts, for End.
func Begin(b []byte, typ byte) (_ []byte, start int) {
	return append(b, typ, 0, 0, 0, 0), len(b)
}

// End writes the length of the message that began at start.
func End(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start+1:], uint32(len(b)-start-1))
	return b
}

// AppendHeader appends the header of a message of size bytes in all.
func AppendHeader(b []byte, typ byte, size int) []byte {
	b = append(b, typ)
	return binary.BigEndian.AppendUint32(b, uint32(size-1))
}

// AppendEmpty appends a message without a body: Sync, Flush, Terminate,
// ParseComplete and the like.
func AppendEmpty(b []byte, typ byte) []byte { return append(b, typ, 0, 0, 0, 4) }

// AppendCString appends s and a zero byte.
func AppendCString[S ~string | ~[]byte](b []byte, s S) []byte {
	return append(append(b, s...), 0)
}

// AppendQuery appends a Query message.
func AppendQuery[S ~string | ~[]byte](b []byte, text S) []byte {
	b, start := Begin(b, Query)
	return End(AppendCString(b, text), start)
}

// AppendParse appends a Parse message; oids is the count and the types, as in
// ParseMessage.
func AppendParse[S ~string | ~[]byte](b []byte, name string, text S, oids []byte) []byte {
	b, start := Begin(b, Parse)
	b = AppendCString(b, name)
	b = AppendCString(b, text)
	return End(append(b, oids...), start)
}

// AppendBind appends a Bind message of a statement without parameters, with
// results in text.
func AppendBind(b []byte, portal, statement string) []byte {
	b, start := Begin(b, Bind)
	b = AppendCString(AppendCString(b, portal), statement)
	return End(append(b, 0, 0, 0, 0, 0, 0), start)
}

// AppendExecute appends an Execute message for all rows.
func AppendExecute(b []byte, portal string) []byte {
	b, start := Begin(b, Execute)
	return End(append(AppendCString(b, portal), 0, 0, 0, 0), start)
}

// AppendTarget appends a Close or Describe message.
func AppendTarget[S ~string | ~[]byte](b []byte, typ, kind byte, name S) []byte {
	b, start := Begin(b, typ)
	b = append(b, kind)
	return End(AppendCString(b, name), start)
}

// AppendReady appends a ReadyForQuery message.
func AppendReady(b []byte, status byte) []byte {
	return append(b, ReadyForQuery, 0, 0, 0, 5, status)
}

// AppendComplete appends a CommandComplete message.
func AppendComplete(b []byte, tag string) []byte {
	b, start := Begin(b, CommandComplete)
	return End(AppendCString(b, tag), start)
}

// AppendParameterStatus appends a ParameterStatus message.
func AppendParameterStatus(b []byte, name, value string) []byte {
	b, start := Begin(b, ParameterStatus)
	return End(AppendCString(AppendCString(b, name), value), start)
}

// AppendParameters appends a ParameterStatus message for each parameter, in the order of
// PostgreSQL's own list (guc.c: guc_name_compare).
func AppendParameters(b []byte, params map[string]string) []byte {
	if len(params) == 0 {
		return b
	}
	for _, name := range slices.SortedFunc(maps.Keys(params), func(x, y string) int {
		return strings.Compare(strings.ToLower(x), strings.ToLower(y))
	}) {
		b = AppendParameterStatus(b, name, params[name])
	}
	return b
}

// AppendKey appends a BackendKeyData message.
func AppendKey(b []byte, pid uint32, secret []byte) []byte {
	b, start := Begin(b, BackendKeyData)
	b = binary.BigEndian.AppendUint32(b, pid)
	return End(append(b, secret...), start)
}

// AppendError appends e as an ErrorResponse.
func AppendError(b []byte, e *sqlstate.Error) []byte { return appendReport(b, ErrorResponse, e) }

// AppendNotice appends e as a NoticeResponse.
func AppendNotice(b []byte, e *sqlstate.Error) []byte { return appendReport(b, NoticeResponse, e) }

func appendReport(b []byte, typ byte, e *sqlstate.Error) []byte {
	severity := e.Severity
	if severity == "" {
		severity = sqlstate.SeverityError
	}
	b, start := Begin(b, typ)
	// V is S in words that are never translated; drivers look at either.
	b = appendField(b, 'S', string(severity))
	b = appendField(b, 'V', string(severity))
	b = appendField(b, 'C', string(e.Code))
	b = appendField(b, 'M', e.Message)
	b = appendField(b, 'D', e.Detail)
	b = appendField(b, 'H', e.Hint)
	b = appendField(b, 'R', string(e.Routine))
	return End(append(b, 0), start)
}

func appendField(b []byte, field byte, value string) []byte {
	if value == "" {
		return b
	}
	return AppendCString(append(b, field), value)
}

// ReplaceField appends the ErrorResponse whose body is given with another value
// of a field.
func ReplaceField(b, body []byte, field byte, value string) []byte {
	b, start := Begin(b, ErrorResponse)
	for len(body) > 0 && body[0] != 0 {
		old, rest, ok := CString(body[1:])
		if !ok {
			break
		}
		if body[0] == field {
			b = AppendCString(append(b, field), value)
		} else {
			b = AppendCString(append(b, body[0]), old)
		}
		body = rest
	}
	return End(append(b, 0), start)
}
