// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"fmt"
	"testing"

	"github.com/weir-pg/weir/internal/wire"
)

func TestParseOptions(t *testing.T) {
	t.Parallel()
	tests := []struct{ options, want, err string }{
		{"", "[]", ""},
		{" \t\n ", "[]", ""},
		{"-c a=b", "[{a b}]", ""},
		{"-ca=b", "[{a b}]", ""},
		{"--a=b", "[{a b}]", ""},
		{"  -c  a=b\t--c=d ", "[{a b} {c d}]", ""},
		{"--statement-timeout=1", "[{statement_timeout 1}]", ""},
		{"-c a-b=c-d", "[{a_b c-d}]", ""},
		{"-c a=", "[{a }]", ""},
		{"-c a=b=c", "[{a b=c}]", ""},
		{"-c search_path=a,\\ b", "[{search_path a, b}]", ""},
		{`-c a=\\`, `[{a \}]`, ""},
		{`-c a=b\`, "[{a b}]", ""},
		{`-c a=\b`, "[{a b}]", ""},
		{`-c search_path="x"`, `[{search_path "x"}]`, ""},
		{"-e -S 64", "[{datestyle euro} {work_mem 64}]", ""},
		{"-eOc a=b", "[{datestyle euro} {allow_system_table_mods true} {a b}]", ""},
		{"-fs -f h", "[{enable_seqscan false} {enable_hashjoin false}]", ""},
		{"-c a=b --", "[{a b}]", ""},
		{"-c a", "", "-c a requires a value"},
		{"--a", "", "--a requires a value"},
		{"-c", "", "invalid command-line argument for server process: -c"},
		{"-- a=b", "", "invalid command-line argument for server process: a=b"},
		{"a=b", "", "invalid command-line argument for server process: a=b"},
		{"-", "", "invalid command-line argument for server process: -"},
		{"-z", "", "invalid command-line argument for server process: -z"},
		{"-fx", "", "invalid command-line argument for server process: -fx"},
		{"-d 5", "", "invalid command-line argument for server process: -d"},
	}
	for _, tt := range tests {
		t.Run(tt.options, func(t *testing.T) {
			t.Parallel()
			params, err := wire.ParseOptions(tt.options)
			if err != nil {
				if err.Error() != tt.err {
					t.Errorf("got error %q, want %q", err, tt.err)
				}
				return
			}
			if got := fmt.Sprint(params); got != tt.want || tt.err != "" {
				t.Errorf("got %s, want %s %s", got, tt.want, tt.err)
			}
		})
	}
}

func FuzzOptions(f *testing.F) {
	for _, s := range []string{"-c a=b", "--a-b=c", `-c a=\ b`, "-fs", "-eOP", "--", `\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, options string) {
		params, err := wire.ParseOptions(options)
		if err != nil && params != nil {
			t.Errorf("got %v beside %v", params, err)
		}
		if len(params) > len(options) {
			t.Errorf("got %d settings from %d bytes", len(params), len(options))
		}
	})
}
