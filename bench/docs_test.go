// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// example is the throughput of three contenders in two modes, one of which
// PgBouncer lacks, with a round in which it failed.
func example() section {
	simple, prepared := scenario{Mode: "simple", Clients: 20}, scenario{Mode: "prepared", Clients: 1000}
	return section{
		Setup: setup{
			Date:     "2026-01-02",
			Machine:  machine{CPU: "Fast Processor", Cores: 2, Kernel: "Linux 6", Arch: "amd64"},
			Versions: map[string]string{"weir": "commit abc", "PgBouncer": "1.18.0", "PostgreSQL": "15.18"},
			Commands: []string{"pgbench -n -S"},
			Pool:     20, Rounds: 3, Seconds: 5,
		},
		Rows: []row{
			{Case: simple, Contender: "weir", Samples: []sample{{Rate: 60000, CPU: 6}, {Rate: 80000, CPU: 5}, {Rate: 70000, CPU: 7}}},
			{Case: simple, Contender: "PgBouncer", Samples: []sample{{Rate: 50000, CPU: 5}, {Rate: 80000, CPU: 5}, {Err: "refused"}}},
			{Case: simple, Contender: "PostgreSQL", Samples: []sample{{Rate: 90000}, {Rate: 90000}, {Rate: 90000}}},
			{Case: prepared, Contender: "weir", Samples: []sample{{Rate: 90000, CPU: 4}}},
			{Case: prepared, Contender: "PgBouncer", Lacks: "no prepared statements"},
			{Case: prepared, Contender: "PostgreSQL", Samples: []sample{{Rate: 110000}}},
		},
	}
}

const wantTables = `### Transactions per second

| Mode     | Clients |   weir |                   PgBouncer | PostgreSQL | weir ÷ PgBouncer |
| -------- | ------: | -----: | --------------------------: | ---------: | ---------------: |
| simple   |      20 | 70,000 | 65,000 (some rounds failed) |     90,000 |            1.10× |
| prepared |   1,000 | 90,000 |                           – |    110,000 |                – |

### Processor time of the proxy per transaction

| Mode     | Clients |   weir |                   PgBouncer | weir ÷ PgBouncer |
| -------- | ------: | -----: | --------------------------: | ---------------: |
| simple   |      20 | 6.0 µs | 5.0 µs (some rounds failed) |            1.10× |
| prepared |   1,000 | 4.0 µs |                           – |                – |

`

func TestTables(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := writeTables(&got, results{throughput: example()}); err != nil {
		t.Fatal(err)
	}
	if got.String() != wantTables {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), wantTables)
	}
}

func TestLatencySaysWhatAProxyAdds(t *testing.T) {
	t.Parallel()
	c := scenario{Mode: "simple", Clients: 200}
	s := section{Rows: []row{
		{Case: c, Contender: "weir", Samples: []sample{{P50: 300}, {P50: 200}}},
		{Case: c, Contender: "PostgreSQL", Samples: []sample{{P50: 250}, {P50: 190}}},
	}}
	if got, want := s.cell(c, "weir", views[1].figures[0]), "250.0 µs (+30.0 µs)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := s.cell(c, "PostgreSQL", views[1].figures[0]), "220.0 µs"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPairedLines(t *testing.T) {
	t.Parallel()
	c := scenario{Mode: "prepared", Clients: 20}
	s := section{Rows: []row{
		{Case: c, Contender: "reference", Samples: []sample{{Rate: 1000}, {Rate: 2000}}},
		{Case: c, Contender: "weir", Samples: []sample{{Rate: 1100}, {Rate: 2400}}},
	}}
	var got bytes.Buffer
	if err := writePaired(&got, results{throughput: s}); err != nil {
		t.Fatal(err)
	}
	want := "Transactions per second, prepared, 20 clients: 1,500 → 1,750, 1.15× (1.10× to 1.20× in 2 rounds)\n"
	if got.String() != want {
		t.Errorf("got  %s\nwant %s", got.String(), want)
	}
}

func TestTextAroundTheMarkersIsKept(t *testing.T) {
	t.Parallel()
	page := "# Ours\n\nbefore\n" + begin + "\nold\n" + end + "\nafter\n"
	got, err := between([]byte(page), []byte("new\n"))
	want := "# Ours\n\nbefore\n" + begin + "\n\nnew\n" + end + "\nafter\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, page := range []string{"", begin, end, end + begin} {
		if got, err := between([]byte(page), nil); err == nil {
			t.Errorf("%q: got %q, want an error", page, got)
		}
	}
}

func TestSectionsThatWereNotMeasuredStay(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "docs")
	c := scenario{Clients: 8}
	earlier := section{Rows: []row{{Case: c, Contender: "weir", Samples: []sample{{Rate: 2500}}}}}
	if err := writeDocs(dir, results{logins: earlier}); err != nil {
		t.Fatal(err)
	}
	if err := writeDocs(dir, results{throughput: example()}); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(dir, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# How fast weir is", "2,500", "70,000", "no prepared statements.", "Measured on 2026-01-02: Fast Processor, 2 cores", "(benchmarks.svg)"} {
		if n := strings.Count(string(page), want); n != 1 {
			t.Errorf("the page has %q %d times, want once", want, n)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "benchmarks.svg")); err != nil {
		t.Error(err)
	}
}

func TestResultsOfAnotherProgramAreNotOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "benchmarks.json"), "not ours")
	if err := writeDocs(dir, results{throughput: example()}); !wrongAs(err, "holds no results") {
		t.Errorf("got %v, want an error that says so", err)
	}
}

func TestPlotIsXMLWithABarForEachMeasurement(t *testing.T) {
	t.Parallel()
	var plot bytes.Buffer
	if err := drawThroughput(&plot, example()); err != nil {
		t.Fatal(err)
	}
	const legend = 3
	if got, want := count(t, &plot, "rect"), legend+5; got != want {
		t.Errorf("got %d bars, legend included, want %d", got, want)
	}
}

func TestPlotStaysInsideItsFrame(t *testing.T) {
	t.Parallel()
	p := layOut(example(), views[0].figures[0])
	for _, b := range p.Bars {
		if b.X < p.Left || b.X+b.Width > p.Right || b.Y < plotTop || b.Y+b.Height != plotTop+plotHeight {
			t.Errorf("bar %+v is outside of %d to %d", b, p.Left, p.Right)
		}
	}
	for i, b := range p.Bars[1:] {
		if before := p.Bars[i]; b.X < before.X+before.Width {
			t.Errorf("bar %+v covers %+v", b, before)
		}
	}
}

func TestCeiling(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{0: 4000, 1: 1, 83712: 100_000, 110_000: 120_000, 9.5: 10, 201: 240} {
		if got := ceiling(v); got != want {
			t.Errorf("%v: got %v, want %v", v, got, want)
		}
	}
}

// count reads XML to its end and counts the elements of that name.
func count(t *testing.T, r io.Reader, name string) int {
	t.Helper()
	n := 0
	for d := xml.NewDecoder(r); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == name {
			n++
		}
	}
}
