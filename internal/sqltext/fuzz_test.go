// SPDX-License-Identifier: Apache-2.0

package sqltext_test

import (
	"testing"

	"github.com/weir-pg/weir/internal/sqltext"
)

func FuzzScan(f *testing.F) {
	for _, test := range classified {
		f.Add(test.text)
	}
	for _, test := range split {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sum := sqltext.Scan(text)
		count, kinds, at := 0, sqltext.Kinds(0), 0
		for {
			s, next, ok := sqltext.Next(text, at)
			if !ok {
				break
			}
			if s.Start < at || s.End <= s.Start || next < s.End || next > len(text) {
				t.Fatalf("%q: statement %d:%d after %d, then %d", text, s.Start, s.End, at, next)
			}
			if first := sqltext.First(text); count == 0 && first != s {
				t.Fatalf("%q: First = %+v, Next = %+v", text, first, s)
			}
			if alone := sqltext.First(text[s.Start:s.End]); alone.Kind != s.Kind || alone.Name != s.Name {
				t.Fatalf("%q: %q alone is %v, in the text %v", text, text[s.Start:s.End], alone, s)
			}
			count, kinds, at = count+1, kinds|sqltext.Of(s.Kind), next
		}
		if count == 0 {
			kinds = sqltext.Of(sqltext.Empty)
		}
		if sum.Flags&sqltext.Unterminated != 0 {
			kinds |= sqltext.Of(sqltext.Unknown)
		}
		if sum.Count != count || sum.Kinds != kinds {
			t.Fatalf("%q: Scan = %+v, Next finds %d of kinds %b", text, sum, count, kinds)
		}
		if again := sqltext.Scan([]byte(text)); again != sum {
			t.Fatalf("%q: as a string %+v, as bytes %+v", text, sum, again)
		}
	})
}
