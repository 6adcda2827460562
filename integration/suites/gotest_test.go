// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"
)

func TestOutcomesOfGoTest(t *testing.T) {
	t.Parallel()
	// In package a, one subtest fails; b panics while another test is paused; c
	// does not build.
	lines := `{"Action":"run","Package":"a","Test":"TestX"}
{"Action":"run","Package":"a","Test":"TestX/good"}
{"Action":"pass","Package":"a","Test":"TestX/good"}
{"Action":"run","Package":"a","Test":"TestX/bad"}
{"Action":"output","Package":"a","Test":"TestX/bad","Output":"got 1, want 2\n"}
{"Action":"fail","Package":"a","Test":"TestX/bad"}
{"Action":"fail","Package":"a","Test":"TestX"}
{"Action":"run","Package":"a","Test":"TestY"}
{"Action":"skip","Package":"a","Test":"TestY"}
{"Action":"fail","Package":"a"}
{"Action":"run","Package":"b","Test":"TestPaused"}
{"Action":"run","Package":"b","Test":"TestPanic"}
{"Action":"output","Package":"b","Test":"TestPanic","Output":"panic: boom\n"}
{"Action":"fail","Package":"b","Test":"TestPanic"}
{"Action":"fail","Package":"b"}
{"Action":"fail","Package":"c"}
`
	tests, err := readTests(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range tests.list() {
		got = append(got, string(r.outcome)+" "+r.name)
	}
	want := []string{"pass a.TestX/good", "fail a.TestX/bad", "skip a.TestY", "fail b.TestPaused", "fail b.TestPanic", "fail c"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := tests.culprits; len(got) != 1 || !slices.Equal(got["b"], []string{"TestPanic"}) {
		t.Errorf("culprits: got %q, want TestPanic of b", got)
	}
}

func TestTimeOutNamesTheTestsThatRan(t *testing.T) {
	t.Parallel()
	lines := `{"Action":"run","Package":"a","Test":"TestHangs"}
{"Action":"run","Package":"a","Test":"TestHangs/here"}
{"Action":"output","Package":"a","Test":"TestHangs/here","Output":"panic: test timed out after 1m0s\n"}
{"Action":"output","Package":"a","Test":"TestHangs/here","Output":"\trunning tests:\n"}
{"Action":"output","Package":"a","Test":"TestHangs/here","Output":"\t\tTestHangs/here (1m0s)\n"}
{"Action":"fail","Package":"a"}
`
	tests, err := readTests(strings.NewReader(lines))
	if err != nil {
		t.Fatal(err)
	}
	if got := tests.culprits["a"]; !slices.Equal(got, []string{"TestHangs"}) {
		t.Errorf("culprits: got %q, want TestHangs", got)
	}
}
