// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The names of the measurements, for -only.
const (
	throughput = "throughput"
	latency    = "latency"
	memory     = "memory"
	logins     = "logins"
	restart    = "restart"
	settings   = "settings"
	library    = "library"
)

// The names of the contenders, for -peers.
const (
	weir      = "weir"
	pgbouncer = "pgbouncer"
	postgres  = "postgres"
	reference = "reference" // the other weir of -ref
)

// options is what the command line asks for.
type options struct {
	rounds  int      // turns that each contender gets in each case
	seconds int      // length of one pgbench run
	clients []int    // numbers of clients of the throughput cases
	modes   []string // pgbench's protocol modes
	only    []string // measurements to make
	peers   []string // contenders, in the order of their turns
	idle    int      // idle clients of the memory measurement
	smoke   bool     // once, two seconds each, small numbers, nothing written
	binary  string   // weir's; "" builds ./cmd/weir
	ref     string   // another weir to compare with; "" compares with the peers
	docs    string   // folder of benchmarks.md
}

// parse reads the command line. It returns flag.ErrHelp after printing the help.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&o.rounds, "rounds", 6, "turns that each contender gets in each case")
	fs.IntVar(&o.seconds, "seconds", 5, "length of one pgbench run")
	clients := fs.String("clients", "1,20,100", "numbers of clients of the throughput and settings cases")
	modes := fs.String("modes", "simple,extended,prepared", "protocol modes of pgbench")
	only := fs.String("only", "throughput,latency,memory,logins,library", "measurements, of these, restart and settings")
	peers := fs.String("peers", "weir,pgbouncer,postgres", "contenders")
	fs.IntVar(&o.idle, "idle", 10_000, "idle clients of the memory measurement; the first tenth is not counted")
	fs.BoolVar(&o.smoke, "smoke", false, "everything once for two seconds, small numbers, nothing written into the docs")
	fs.StringVar(&o.binary, "weir", "", "weir's binary (default: builds ./cmd/weir)")
	fs.StringVar(&o.ref, "ref", "", "another weir binary: compare the two, print ratios, write no docs")
	fs.StringVar(&o.docs, "docs", "docs", "folder that benchmarks.md, .svg and .json are written to")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("argument %q: bench takes flags only, see -help", fs.Arg(0))
	}
	var err error
	if o.clients, err = numbers("-clients", *clients); err != nil {
		return o, err
	}
	if o.modes, err = words("-modes", *modes, "simple", "extended", "prepared"); err != nil {
		return o, err
	}
	if o.only, err = words("-only", *only, throughput, latency, memory, logins, restart, settings, library); err != nil {
		return o, err
	}
	if o.peers, err = words("-peers", *peers, weir, pgbouncer, postgres); err != nil {
		return o, err
	}
	return o.settle()
}

// settle checks the numbers and makes those flags agree that imply others.
func (o options) settle() (options, error) {
	if o.rounds < 1 || o.seconds < 1 || o.idle < 10 {
		return o, fmt.Errorf("-rounds %d -seconds %d -idle %d: needs at least 1, 1 and 10", o.rounds, o.seconds, o.idle)
	}
	if o.ref != "" {
		if _, err := os.Stat(o.ref); err != nil {
			return o, fmt.Errorf("-ref: %w", err)
		}
		var err error
		if o.ref, err = filepath.Abs(o.ref); err != nil {
			return o, err
		}
		o.peers = []string{reference, weir}
	}
	if o.smoke {
		o.rounds, o.seconds, o.idle = 1, 2, min(o.idle, 300)
	}
	return o, nil
}

// has tells whether the measurement is asked for.
func (o options) has(measurement string) bool { return slices.Contains(o.only, measurement) }

// command is how to make one measurement again.
func (o options) command(m measurement) string {
	text := fmt.Sprintf("go run ./bench -only %s -rounds %d", m.name, m.rounds)
	if m.seconds > 0 {
		text += fmt.Sprintf(" -seconds %d", m.seconds)
	}
	return text
}

// words splits a list at its commas and refuses what is not among allowed.
func words(name, list string, allowed ...string) ([]string, error) {
	var out []string
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		if !slices.Contains(allowed, word) {
			return nil, fmt.Errorf("%s %q: expected some of %s, with commas", name, word, strings.Join(allowed, ", "))
		}
		if !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out, nil
}

// numbers splits a list of positive numbers at its commas.
func numbers(name, list string) ([]int, error) {
	var out []int
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s %q: expected numbers of at least 1, with commas", name, word)
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}
