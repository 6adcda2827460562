// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const summary15 = `pgbench (15.18 (Debian 15.18-0+deb12u1))
transaction type: <builtin: select only>
scaling factor: 10
query mode: prepared
number of clients: 20
number of threads: 2
maximum number of tries: 1
duration: 5 s
number of transactions actually processed: 401234
number of failed transactions: 0 (0.000%)
latency average = 0.249 ms
initial connection time = 21.905 ms
tps = 80291.123456 (without initial connection time)
`

const summary13 = `transaction type: <builtin: select only>
number of transactions actually processed: 1000
latency average = 0.249 ms
tps = 990.100000 (including connections establishing)
tps = 1000.500000 (excluding connections establishing)
`

func TestTally(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		out   string
		want  tally
		wrong string // a part of the error
	}{
		"15":              {out: summary15, want: tally{rate: 80291.123456, transactions: 401234}},
		"13":              {out: summary13, want: tally{rate: 1000.5, transactions: 1000}},
		"failed":          {out: strings.Replace(summary15, "failed transactions: 0", "failed transactions: 3", 1), wrong: "3 failed"},
		"no transaction":  {out: strings.Replace(summary15, "401234", "0", 1), wrong: "no transaction"},
		"nothing at all":  {out: "", wrong: "no summary"},
		"cut in the tail": {out: summary15[:300], wrong: "no summary"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseTally(test.out)
			if got != test.want || !wrongAs(err, test.wrong) {
				t.Errorf("got %v, %v, want %v, %q", got, err, test.want, test.wrong)
			}
		})
	}
}

func TestTransactionLog(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		log   string
		want  []int64
		wrong string
	}{
		"two":              {log: "0 1 249 0 1700000000 1\n1 1 90 0 1700000000 2\n", want: []int64{249, 90}},
		"with a lag":       {log: "0 1 249 0 1700000000 1 12\n", want: []int64{249}},
		"none":             {},
		"failed":           {log: "0 1 failed 0 1700000000 1\n", wrong: "third field"},
		"negative":         {log: "0 1 -4 0 1700000000 1\n", wrong: "third field"},
		"cut":              {log: "0 1 249", wrong: "six fields"},
		"an aggregate log": {log: "1700000000 10 11 12\n", wrong: "six fields"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseLog(nil, strings.NewReader(test.log))
			if !slices.Equal(got, test.want) || !wrongAs(err, test.wrong) {
				t.Errorf("got %v, %v, want %v, %q", got, err, test.want, test.wrong)
			}
		})
	}
}

func TestLogsOfAllThreadsAreReadOnce(t *testing.T) {
	t.Parallel()
	prefix := filepath.Join(t.TempDir(), "transactions")
	write(t, prefix+".77", "0 1 30 0 1700000000 1\n")
	write(t, prefix+".77.1", "1 1 10 0 1700000000 1\n1 2 20 0 1700000000 1\n")
	got, err := readLogs(prefix)
	if want := []int64{10, 20, 30}; err != nil || !slices.Equal(got, want) {
		t.Fatalf("got %v, %v, want %v", got, err, want)
	}
	if got, err := readLogs(prefix); err == nil {
		t.Errorf("the second time: got %v, want an error, for the files should be gone", got)
	}
}

func TestPgBouncerVersion(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]struct {
		version  string
		prepares bool
	}{
		"PgBouncer 1.18.0\nlibevent 2.1.12-stable\n": {"1.18.0", false},
		"PgBouncer 1.20.1\n":                         {"1.20.1", false},
		"PgBouncer 1.21.0\n":                         {"1.21.0", true},
		"PgBouncer 1.25.2\n":                         {"1.25.2", true},
		"PgBouncer 2.0.0dev\n":                       {"2.0.0dev", true},
	} {
		version, prepares, err := parsePgBouncerVersion(out)
		if err != nil || version != want.version || prepares != want.prepares {
			t.Errorf("%q: got %s, %t, %v, want %v", out, version, prepares, err, want)
		}
	}
	if got, _, err := parsePgBouncerVersion("bouncer?"); err == nil {
		t.Errorf("got version %s of nonsense, want an error", got)
	}
}

func TestResidentMemory(t *testing.T) {
	t.Parallel()
	const rollup = "55d0-7ffd ---p 00000000 00:00 0    [rollup]\nRss:               10240 kB\nPss:                9000 kB\n"
	got, err := parseRollup(strings.NewReader(rollup))
	if want := int64(10 << 20); err != nil || got != want {
		t.Errorf("got %d, %v, want %d", got, err, want)
	}
	for _, text := range []string{"", "Pss: 1 kB\n", "Rss: many kB\n"} {
		if got, err := parseRollup(strings.NewReader(text)); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestProcessorModel(t *testing.T) {
	t.Parallel()
	const text = "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Fast Processor @ 3 GHz\n\nprocessor\t: 1\nmodel name\t: other\n"
	if got, want := cpuModel(text), "Fast Processor @ 3 GHz"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := cpuModel("BogoMIPS : 50\n"); got != "" {
		t.Errorf("got %q where there is no model, want none", got)
	}
}

// wrongAs tells whether err contains part; "" is for no error.
func wrongAs(err error, part string) bool {
	if part == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), part)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
