// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/wire"
)

func TestParseStartup(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       string // empty for an error
	}{
		{"pairs in order", "user\x00u\x00b\x001\x00database\x00d\x00a\x002\x00\x00", `{Version:196608 User:u Database:d Params:[{Name:b Value:1} {Name:a Value:2}] Extensions:[]}`},
		{"last user, all others", "user\x00u\x00a\x001\x00user\x00v\x00a\x002\x00\x00", `{Version:196608 User:v Database: Params:[{Name:a Value:1} {Name:a Value:2}] Extensions:[]}`},
		{"extensions apart", "_pq_.x\x001\x00user\x00u\x00\x00", `{Version:196608 User:u Database: Params:[] Extensions:[_pq_.x]}`},
		{"unchecked", "options\x00-c a=b\x00replication\x00maybe\x00\x00", `{Version:196608 User: Database: Params:[{Name:options Value:-c a=b} {Name:replication Value:maybe}] Extensions:[]}`},
		{"empty value", "user\x00\x00\x00", `{Version:196608 User: Database: Params:[] Extensions:[]}`},
		{"nothing", "\x00", `{Version:196608 User: Database: Params:[] Extensions:[]}`},
		{"no terminator", "user\x00u\x00", ""},
		{"no value", "user\x00u\x00a\x00", ""},
		{"no end of a value", "user\x00u", ""},
		{"more than the terminator", "user\x00u\x00\x00x", ""},
		{"only a version", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := wire.ParseStartup([]byte("\x00\x03\x00\x00" + tt.body))
			got := ""
			if err == nil {
				got = fmt.Sprintf("%+v", *s)
			}
			if got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestLengthsAreChecked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		word          uint32
		startup, sasl int // -1 for an error
	}{
		{0, -1, -1},
		{3, -1, -1},
		{4, -1, 0},
		{7, -1, 3},
		{8, 4, 4},
		{1028, 1024, 1024},
		{1029, 1025, -1},
		{10_004, 10_000, -1},
		{10_005, -1, -1},
		{1<<31 - 1, -1, -1},
		{1 << 31, -1, -1},
		{1<<32 - 1, -1, -1},
	}
	length := func(n int, err error) int {
		if err != nil {
			return -1
		}
		return n
	}
	for _, tt := range tests {
		word := [4]byte(binary.BigEndian.AppendUint32(nil, tt.word))
		if got := length(wire.StartupLength(word)); got != tt.startup {
			t.Errorf("start-up packet of %d: got %d, want %d", tt.word, got, tt.startup)
		}
		if got := length(wire.SASLLength(word)); got != tt.sasl {
			t.Errorf("SASL message of %d: got %d, want %d", tt.word, got, tt.sasl)
		}
	}
}

func TestParseCancel(t *testing.T) {
	t.Parallel()
	for size, ok := range map[int]bool{0: false, 3: false, 4: true, 32: true, 256: true, 257: false} {
		key := strings.Repeat("k", size)
		c, err := wire.ParseCancel([]byte("\x04\xd2\x16\x2e\x00\x00\x01\x02" + key))
		if (err == nil) != ok {
			t.Errorf("a key of %d bytes: got %v", size, err)
		}
		if err == nil && (c.PID != 258 || string(c.Key) != key) {
			t.Errorf("got %+v", c)
		}
	}
	if _, err := wire.ParseCancel([]byte("\x04\xd2\x16\x2e")); err == nil {
		t.Error("got no error for a cancel without a process")
	}
}

func TestParseSASLInitial(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, mechanism string
		data                  []byte
		ok                    bool
	}{
		{"with data", "X\x00\x00\x00\x00\x02ab", "X", []byte("ab"), true},
		{"with empty data", "X\x00\x00\x00\x00\x00", "X", []byte{}, true},
		{"without", "X\x00\xff\xff\xff\xff", "X", nil, true},
		{"empty", "", "", nil, false},
		{"no length", "X\x00\x00\x00", "", nil, false},
		{"too long", "X\x00\x00\x00\x00\x03ab", "", nil, false},
		{"too short", "X\x00\x00\x00\x00\x01ab", "", nil, false},
		{"none, but some", "X\x00\xff\xff\xff\xffab", "", nil, false},
		{"negative", "X\x00\xff\xff\xff\xfe", "", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mechanism, data, err := wire.ParseSASLInitial([]byte(tt.body))
			if mechanism != tt.mechanism || !bytes.Equal(data, tt.data) || (data == nil) != (tt.data == nil) || (err == nil) != tt.ok {
				t.Errorf("got %q, %q, %v", mechanism, data, err)
			}
		})
	}
}

// pgproto3 reads what is built here.
func TestLoginMessagesReadBack(t *testing.T) {
	t.Parallel()
	b := wire.AppendNegotiate(nil, wire.Protocol32, []string{"_pq_.x", "_pq_.y"})
	b = wire.AppendSASL(b, []string{"ONE", "TWO"})
	b = wire.AppendSASLContinue(b, "challenge")
	b = wire.AppendSASLFinal(b, "verdict")
	b = wire.AppendAuthOK(b)
	f := pgproto3.NewFrontend(bytes.NewReader(b), nil)
	for _, want := range []string{
		"&{NewestMinorProtocol:196610 UnrecognizedOptions:[_pq_.x _pq_.y]}",
		"&{AuthMechanisms:[ONE TWO]}",
		"&{Data:[99 104 97 108 108 101 110 103 101]}",
		"&{Data:[118 101 114 100 105 99 116]}",
		"&{}",
	} {
		m, err := f.Receive()
		if got := fmt.Sprintf("%+v", m); err != nil || got != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}

func FuzzStartup(f *testing.F) {
	f.Add([]byte("\x00\x03\x00\x00user\x00u\x00database\x00d\x00application_name\x00psql\x00client_encoding\x00UTF8\x00\x00"))
	f.Add([]byte("\x00\x03\x27\x0fuser\x00u\x00_pq_.test_protocol_negotiation\x00\x00\x00"))
	f.Add([]byte("\x00\x03\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := wire.ParseStartup(body)
		if err != nil {
			return
		}
		for _, p := range s.Params {
			if p.Name == "" || strings.Contains(p.Name+p.Value, "\x00") {
				t.Errorf("got parameter %q=%q", p.Name, p.Value)
			}
		}
	})
}

func FuzzCancel(f *testing.F) {
	f.Add([]byte("\x04\xd2\x16\x2e\x00\x00\x00\x01keys"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if c, err := wire.ParseCancel(body); err == nil && len(c.Key) != len(body)-8 {
			t.Errorf("got a key of %d bytes from %d", len(c.Key), len(body))
		}
	})
}

func FuzzSASLInitial(f *testing.F) {
	f.Add([]byte("SCRAM-SHA-256\x00\x00\x00\x00\x0bn,,n=,r=abc"))
	f.Add([]byte("SCRAM-SHA-256\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		mechanism, data, err := wire.ParseSASLInitial(body)
		if err == nil && len(mechanism)+5+len(data) != len(body) {
			t.Errorf("got %q and %q from %q", mechanism, data, body)
		}
	})
}
