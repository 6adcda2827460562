// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/weir-pg/weir/internal/wire"
)

// types returns the types of the messages in b.
func types(t *testing.T, b []byte) (list string) {
	t.Helper()
	for len(b) > 0 {
		typ, size, ok, err := wire.Header(b)
		if !ok || err != nil || size > len(b) {
			t.Fatalf("no message: %q", b)
		}
		list += string(typ)
		b = b[size:]
	}
	return list
}

func TestQueriesBecomeGroups(t *testing.T) {
	t.Parallel()
	q := queries{form: named}
	for _, tt := range []struct {
		typ  byte
		body string
		want string
		own  bool
	}{
		{wire.Query, "select 1;\x00", "PBDES", true},
		{wire.Query, "select 1; select 2\x00", "Q", false},
		{wire.Query, "\x00", "Q", false},
		{wire.Query, "copy t from stdin\x00", "PBDES", true},
		{wire.CopyData, "1\n", "d", true},
		{wire.CopyDone, "", "cS", true},
		{wire.Parse, "s\x00select 1\x00\x00\x00", "P", false},
		{wire.Query, "select 1; copy t from stdin\x00", "Q", false},
		{wire.CopyFail, "no\x00", "f", false},
	} {
		out, own := q.translate(tt.typ, []byte(tt.body))
		if got := types(t, out); got != tt.want || own != tt.own {
			t.Errorf("%c %q: %s, %v, want %s, %v", tt.typ, tt.body, got, own, tt.want, tt.own)
		}
	}
	for range keptStatements {
		q.translate(wire.Query, []byte("select 1\x00"))
	}
	out, _ := q.translate(wire.Query, []byte("select 1\x00"))
	if got := types(t, out); got != "CPBDES" || !bytes.Contains(out, []byte("St3\x00")) {
		t.Errorf("after %d statements: %s %q", keptStatements+2, got, out)
	}
}

func TestRegressOutputIsRead(t *testing.T) {
	t.Parallel()
	out := "(using postmaster on 127.0.0.1, port 1)\n" +
		"test tablespace                   ... ok           28 ms\n" +
		"parallel group (2 tests):  char boolean\n" +
		"     boolean                      ... FAILED      123 ms\n" +
		"     char                         ... ok          123 ms\n" +
		"test random                       ... failed (ignored)      123 ms\n"
	diffs := "diff -U3 /a/expected/boolean.out /b/results/boolean.out\n-f\n+t\ndiff -U3 /a/expected/random.out /b/results/random.out\n-1\n"
	results := readRegress(out, diffs)
	var got []string
	for _, r := range results {
		got = append(got, r.name+" "+string(r.outcome))
	}
	if want := "[tablespace pass boolean fail char pass random fail]"; len(results) != 4 || "["+strings.Join(got, " ")+"]" != want {
		t.Fatalf("%v, want %s", got, want)
	}
	if results[1].output == "" || strings.Contains(results[1].output, "random") {
		t.Errorf("the differences of boolean are %q", results[1].output)
	}
}
