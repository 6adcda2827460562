// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/sqlstate"
	"github.com/weir-pg/weir/internal/wire"
)

func TestHeader(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		b    string
		typ  byte
		size int
		ok   bool
		err  error
	}{
		{"nothing", "", 0, 0, false, nil},
		{"a part", "Q\x00\x00\x00", 0, 0, false, nil},
		{"no body", "S\x00\x00\x00\x04", 'S', 5, true, nil},
		{"with a body", "Z\x00\x00\x00\x05I", 'Z', 6, true, nil},
		{"a body to come", "D\x00\x01\x00\x00", 'D', 1<<16 + 1, true, nil},
		{"the largest", "d\x3f\xff\xff\xff", 'd', wire.MaxMessage + 1, true, nil},
		{"length 0", "Q\x00\x00\x00\x00", 'Q', 0, true, wire.ErrLength},
		{"length 3", "Q\x00\x00\x00\x03", 'Q', 0, true, wire.ErrLength},
		{"too large", "Q\x40\x00\x00\x00", 'Q', 0, true, wire.ErrLength},
		{"2 GiB", "Q\x80\x00\x00\x00", 'Q', 0, true, wire.ErrLength},
		{"negative", "Q\xff\xff\xff\xff", 'Q', 0, true, wire.ErrLength},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			typ, size, ok, err := wire.Header([]byte(tt.b))
			if typ != tt.typ || size != tt.size || ok != tt.ok || !errors.Is(err, tt.err) {
				t.Errorf("got %q, %d, %t, %v, want %q, %d, %t, %v", typ, size, ok, err, tt.typ, tt.size, tt.ok, tt.err)
			}
		})
	}
}

// decoders show what each reads as text; "malformed" stands for the error.
var decoders = map[string]func(body []byte) string{
	"Parse": func(body []byte) string {
		m, err := wire.ReadParse(body)
		return show(err, "%q %q %q", m.Name, m.Text, m.OIDs)
	},
	"Bind": func(body []byte) string {
		portal, statement, rest, err := wire.ReadBind(body)
		return show(err, "%q %q %q", portal, statement, rest)
	},
	"Target": func(body []byte) string {
		kind, name, err := wire.ReadTarget(body)
		return show(err, "%q %q", kind, name)
	},
	"ParameterStatus": func(body []byte) string {
		name, value, err := wire.ReadParameterStatus(body)
		return show(err, "%q %q", name, value)
	},
	"CString": func(b []byte) string {
		s, rest, ok := wire.CString(b)
		if !ok {
			return "malformed"
		}
		return show(nil, "%q %q", s, rest)
	},
}

func show(err error, format string, args ...any) string {
	switch {
	case err == nil:
		return fmt.Sprintf(format, args...)
	case errors.Is(err, wire.ErrMalformed):
		return "malformed"
	}
	return err.Error()
}

func TestDecoders(t *testing.T) {
	t.Parallel()
	tests := []struct{ decoder, body, want string }{
		{"Parse", "s0\x00select $1\x00\x00\x01\x00\x00\x00\x17", `"s0" "select $1" "\x00\x01\x00\x00\x00\x17"`},
		{"Parse", "\x00\x00\x00\x00", `"" "" "\x00\x00"`},
		{"Parse", "", "malformed"},
		{"Parse", "s0", "malformed"},
		{"Parse", "s0\x00select 1", "malformed"},
		{"Parse", "s0\x00select 1\x00", "malformed"},
		{"Parse", "s0\x00select 1\x00\x00", "malformed"},
		{"Bind", "p\x00s\x00\x00\x00\x00\x00\x00\x00", `"p" "s" "\x00\x00\x00\x00\x00\x00"`},
		{"Bind", "\x00\x00", `"" "" ""`},
		{"Bind", "p\x00s", "malformed"},
		{"Bind", "p", "malformed"},
		{"Bind", "", "malformed"},
		{"Target", "Sname\x00", `'S' "name"`},
		{"Target", "P\x00", `'P' ""`},
		{"Target", "S", "malformed"},
		{"Target", "", "malformed"},
		{"Target", "Sname", "malformed"},
		{"ParameterStatus", "TimeZone\x00Etc/UTC\x00", `"TimeZone" "Etc/UTC"`},
		{"ParameterStatus", "application_name\x00\x00", `"application_name" ""`},
		{"ParameterStatus", "a\x00b", "malformed"},
		{"ParameterStatus", "a", "malformed"},
		{"CString", "a\x00b\x00", `"a" "b\x00"`},
		{"CString", "\x00", `"" ""`},
		{"CString", "a", "malformed"},
		{"CString", "", "malformed"},
	}
	for _, tt := range tests {
		if got := decoders[tt.decoder]([]byte(tt.body)); got != tt.want {
			t.Errorf("%s of %q: got %s, want %s", tt.decoder, tt.body, got, tt.want)
		}
	}
}

func TestField(t *testing.T) {
	t.Parallel()
	body := []byte("SERROR\x00VERROR\x00C42601\x00Msyntax error\x00D\x00\x00Hafter the end\x00")
	tests := []struct {
		body  []byte
		field byte
		want  string // "-" where it is absent
	}{
		{body, wire.FieldSeverity, "ERROR"},
		{body, wire.FieldCode, "42601"},
		{body, wire.FieldMessage, "syntax error"},
		{body, 'D', ""},
		{body, 'H', "-"},
		{nil, 'C', "-"},
		{[]byte("C42601"), 'C', "-"},
		{[]byte("SERROR\x00C426"), 'C', "-"},
	}
	for _, tt := range tests {
		got := "-"
		if v := wire.Field(tt.body, tt.field); v != nil {
			got = string(v)
		}
		if got != tt.want {
			t.Errorf("field %q of %q: got %q, want %q", tt.field, tt.body, got, tt.want)
		}
	}
}

// TestClientMessagesReadBack has pgproto3 read what is built here for an
// upstream.
func TestClientMessagesReadBack(t *testing.T) {
	t.Parallel()
	b := wire.AppendQuery(nil, "select 1")
	b = wire.AppendParse(b, "weir_1", "select $1", []byte("\x00\x01\x00\x00\x00\x17"))
	b = wire.AppendTarget(b, wire.Describe, wire.Statement, "weir_1")
	b = wire.AppendTarget(b, wire.Close, wire.Portal, []byte("p"))
	for _, typ := range []byte{wire.Flush, wire.Sync, wire.CopyDone, wire.Terminate} {
		b = wire.AppendEmpty(b, typ)
	}
	b = append(wire.AppendHeader(b, wire.CopyData, wire.HeaderSize+3), "a\tb"...)
	back := pgproto3.NewBackend(bytes.NewReader(b), nil)
	for _, want := range []string{
		"*pgproto3.Query&{String:select 1}",
		"*pgproto3.Parse&{Name:weir_1 Query:select $1 ParameterOIDs:[23]}",
		"*pgproto3.Describe&{ObjectType:83 Name:weir_1}",
		"*pgproto3.Close&{ObjectType:80 Name:p}",
		"*pgproto3.Flush&{}", "*pgproto3.Sync&{}", "*pgproto3.CopyDone&{}", "*pgproto3.Terminate&{}",
		"*pgproto3.CopyData&{Data:[97 9 98]}",
	} {
		m, err := back.Receive()
		if got := fmt.Sprintf("%T%+v", m, m); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

// TestUpstreamMessagesReadBack has pgproto3 read what is built here for a
// client.
func TestUpstreamMessagesReadBack(t *testing.T) {
	t.Parallel()
	b := wire.AppendParameterStatus(nil, "TimeZone", "Etc/UTC")
	b = wire.AppendKey(b, 1<<30, []byte{1, 2, 3, 4})
	b = wire.AppendReady(b, wire.Failed)
	b = wire.AppendComplete(b, "DEALLOCATE")
	for _, typ := range []byte{wire.ParseComplete, wire.CloseComplete, wire.BindComplete, wire.NoData} {
		b = wire.AppendEmpty(b, typ)
	}
	front := pgproto3.NewFrontend(bytes.NewReader(b), nil)
	for _, want := range []string{
		"*pgproto3.ParameterStatus&{Name:TimeZone Value:Etc/UTC}",
		"*pgproto3.BackendKeyData&{ProcessID:1073741824 SecretKey:[1 2 3 4]}",
		"*pgproto3.ReadyForQuery&{TxStatus:69}",
		"*pgproto3.CommandComplete&{CommandTag:[68 69 65 76 76 79 67 65 84 69]}",
		"*pgproto3.ParseComplete&{}", "*pgproto3.CloseComplete&{}", "*pgproto3.BindComplete&{}", "*pgproto3.NoData&{}",
	} {
		m, err := front.Receive()
		if got := fmt.Sprintf("%T%+v", m, m); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

func TestErrorsReadBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  sqlstate.Error
		want pgproto3.ErrorResponse
	}{
		{
			"in full",
			sqlstate.Error{
				Severity: sqlstate.SeverityFatal, Code: sqlstate.TooManyConnections,
				Message: "m", Detail: "d", Hint: "h", Routine: "r", Err: errors.New("for the log only"),
			},
			pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "53300", Message: "m", Detail: "d", Hint: "h", Routine: "r"},
		},
		{
			"the least",
			sqlstate.Error{Code: sqlstate.InternalError, Message: "m"},
			pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "XX000", Message: "m"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := pgproto3.NewFrontend(bytes.NewReader(wire.AppendError(nil, &tt.err)), nil).Receive()
			if got, want := fmt.Sprintf("%+v", m), fmt.Sprintf("%+v", &tt.want); err != nil || got != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
}

// TestBuildersAppend has every builder leave what is there, and give one whole
// message.
func TestBuildersAppend(t *testing.T) {
	t.Parallel()
	builders := map[string]func(b []byte) []byte{
		"AppendQuery":           func(b []byte) []byte { return wire.AppendQuery(b, []byte("q")) },
		"AppendParse":           func(b []byte) []byte { return wire.AppendParse(b, "", "q", []byte{0, 0}) },
		"AppendTarget":          func(b []byte) []byte { return wire.AppendTarget(b, wire.Close, wire.Statement, "s") },
		"AppendEmpty":           func(b []byte) []byte { return wire.AppendEmpty(b, wire.Sync) },
		"AppendReady":           func(b []byte) []byte { return wire.AppendReady(b, wire.Idle) },
		"AppendComplete":        func(b []byte) []byte { return wire.AppendComplete(b, "") },
		"AppendParameterStatus": func(b []byte) []byte { return wire.AppendParameterStatus(b, "", "") },
		"AppendKey":             func(b []byte) []byte { return wire.AppendKey(b, 0, nil) },
		"AppendError":           func(b []byte) []byte { return wire.AppendError(b, &sqlstate.Error{}) },
	}
	for name, build := range builders {
		b := build([]byte("before"))
		rest, ok := bytes.CutPrefix(b, []byte("before"))
		_, size, whole, err := wire.Header(rest)
		if !ok || !whole || err != nil || size != len(rest) {
			t.Errorf("%s: got %q, a message of %d bytes, %v", name, b, size, err)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("Z\x00\x00\x00\x05I"))
	f.Add([]byte("Q\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		typ, size, ok, err := wire.Header(b)
		switch {
		case !ok:
			if len(b) >= wire.HeaderSize || err != nil {
				t.Errorf("no header in %d bytes, %v", len(b), err)
			}
		case err != nil:
			if n := binary.BigEndian.Uint32(b[1:]); n >= 4 && n <= wire.MaxMessage {
				t.Errorf("a length of %d was refused", n)
			}
		case !bytes.Equal(wire.AppendHeader(nil, typ, size), b[:wire.HeaderSize]):
			t.Errorf("%q, %d is not what %q says", typ, size, b[:wire.HeaderSize])
		}
	})
}

func FuzzReadParse(f *testing.F) {
	f.Add([]byte("stmtcache_1\x00select $1::int4\x00\x00\x01\x00\x00\x00\x17"))
	f.Add([]byte("\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := wire.ReadParse(body)
		if err != nil {
			return
		}
		if got := wire.AppendParse(nil, string(m.Name), m.Text, m.OIDs)[wire.HeaderSize:]; !bytes.Equal(got, body) {
			t.Errorf("%q was read as %q", body, got)
		}
	})
}

func FuzzReadBind(f *testing.F) {
	f.Add([]byte("\x00stmtcache_1\x00\x00\x01\x00\x01\x00\x01\x00\x00\x00\x04\x00\x00\x00\x07\x00\x01\x00\x01"))
	f.Add([]byte("C_1\x00S_1\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		portal, statement, rest, err := wire.ReadBind(body)
		if err != nil {
			return
		}
		got := append(wire.AppendCString(wire.AppendCString(nil, portal), statement), rest...)
		if !bytes.Equal(got, body) {
			t.Errorf("%q was read as %q", body, got)
		}
	})
}

func FuzzReadTarget(f *testing.F) {
	f.Add([]byte("Ss0\x00"))
	f.Add([]byte("P\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		kind, name, err := wire.ReadTarget(body)
		if err != nil {
			return
		}
		got := wire.AppendTarget(nil, wire.Close, kind, name)[wire.HeaderSize:]
		if !bytes.HasPrefix(body, got) {
			t.Errorf("%q was read as %q", body, got)
		}
	})
}

func FuzzReadParameterStatus(f *testing.F) {
	f.Add([]byte("client_encoding\x00UTF8\x00"))
	f.Add([]byte("application_name\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		name, value, err := wire.ReadParameterStatus(body)
		if err != nil {
			return
		}
		got := wire.AppendParameterStatus(nil, string(name), string(value))[wire.HeaderSize:]
		if !bytes.HasPrefix(body, got) {
			t.Errorf("%q was read as %q", body, got)
		}
	})
}

// FuzzField finds no field that is not there.
func FuzzField(f *testing.F) {
	f.Add([]byte("SERROR\x00VERROR\x00C42P01\x00Mrelation \"t\" does not exist\x00P15\x00Fparse_relation.c\x00L1392\x00RparserOpenTable\x00\x00"))
	f.Add([]byte("SNOTICE\x00C00000\x00Mx\x00\x00"))
	f.Add([]byte("C\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for field := range 256 {
			v := wire.Field(body, byte(field))
			if v == nil {
				continue
			}
			whole := wire.AppendCString([]byte{byte(field)}, v)
			if field == 0 || !bytes.Contains(body, whole) {
				t.Errorf("field %q = %q is not in %q", byte(field), v, body)
			}
		}
	})
}
