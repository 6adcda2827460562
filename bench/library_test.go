// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

func TestWhatProgramsDidAddsUp(t *testing.T) {
	t.Parallel()
	r := &rig{opts: options{seconds: 2}, progress: io.Discard}
	sum := worked{Done: 30, Failed: 10, CPU: 200 * time.Microsecond, Times: []int64{3, 1}, Error: "full"}.
		add(worked{Done: 10, CPU: 200 * time.Microsecond, Times: []int64{2}})
	got := r.account(sum)
	want := sample{Rate: 20, CPU: 10, P50: 2, P99: 3, Failed: 0.2}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if s := r.account(worked{Error: "full"}); !strings.Contains(s.Err, "full") {
		t.Errorf("nothing done is %+v", s)
	}
}

// The library is compared with pgxpool, in a table like the proxies'.
func TestTheLibraryHasARival(t *testing.T) {
	t.Parallel()
	c := scenario{Mode: together, Clients: 10}
	s := section{Rows: []row{
		{Case: c, Contender: "weir", Samples: []sample{{Rate: 90}, {Rate: 120}}},
		{Case: c, Contender: "pgxpool", Samples: []sample{{Rate: 100}, {Rate: 100, Failed: 0.25}}},
	}}
	var out bytes.Buffer
	for _, v := range views {
		if v.name == library {
			if err := writeSection(&out, v, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, want := range []string{"weir ÷ pgxpool", "1.05×", "25.00 %"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}
