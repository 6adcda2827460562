// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weir-pg/weir/internal/wire"
)

func TestBindValue(t *testing.T) {
	t.Parallel()
	values := [][]byte{[]byte("one"), nil, {}, {0, 0, 0, 4}}
	for _, c := range []struct {
		formats []int16
		n       int
		want    string
		format  wire.Format
		ok      bool
	}{
		{nil, 1, "one", wire.TextFormat, true},
		{[]int16{1}, 1, "one", wire.BinaryFormat, true},
		{[]int16{0, 0, 0, 1}, 4, "\x00\x00\x00\x04", wire.BinaryFormat, true},
		{[]int16{1, 0, 0, 0}, 4, "\x00\x00\x00\x04", wire.TextFormat, true},
		{nil, 2, "", 0, false}, // null
		{nil, 3, "", wire.TextFormat, true},
		{nil, 5, "", 0, false},
		{nil, 0, "", 0, false},
		{[]int16{1, 1}, 3, "", 0, false}, // PostgreSQL refuses it
	} {
		message, err := (&pgproto3.Bind{ParameterFormatCodes: c.formats, Parameters: values}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, rest, err := wire.ReadBind(message[wire.HeaderSize:])
		if err != nil {
			t.Fatal(err)
		}
		value, format, ok := wire.BindValue(rest, c.n)
		if string(value) != c.want || ok != c.ok || ok && format != c.format {
			t.Errorf("formats %v, parameter %d: got %q, %d, %t; want %q, %d, %t", c.formats, c.n, value, format, ok, c.want, c.format, c.ok)
		}
		for cut := range rest { // no part of a message is read beyond its end
			_, _, _ = wire.BindValue(rest[:cut], c.n)
		}
	}
}

func TestBindValues(t *testing.T) {
	t.Parallel()
	values := [][]byte{[]byte("one"), nil, {}, {0, 0, 0, 4}}
	message, err := (&pgproto3.Bind{ParameterFormatCodes: []int16{1}, Parameters: values}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, rest, err := wire.ReadBind(message[wire.HeaderSize:])
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(wire.BindValues(rest)); !reflect.DeepEqual(got, values) {
		t.Errorf("got %q, want %q", got, values)
	}
	for cut := range rest { // no part of a message is read beyond its end
		if n := len(slices.Collect(wire.BindValues(rest[:cut]))); n > len(values) {
			t.Errorf("%d values in %d bytes", n, cut)
		}
	}
}
