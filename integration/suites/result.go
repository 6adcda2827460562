// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// outcome is what became of a test.
type outcome string

const (
	passed  outcome = "pass"
	failed  outcome = "fail"
	skipped outcome = "skip"
)

// result is one test's outcome.
type result struct {
	name    string // package or file, and test: unique in the suite
	pkg     string // import path, of a Go test
	test    string // name in the package, of a Go test
	outcome outcome
	ended   bool   // go test reported the outcome
	shaky   bool   // it failed before it passed
	output  string // of a test that failed
}

// top is the Go test that a subtest belongs to.
func (r result) top() string {
	top, _, _ := strings.Cut(r.test, "/")
	return top
}

// count returns how many tests had an outcome.
func count(results []result, o outcome) (n int) {
	for _, r := range results {
		if r.outcome == o {
			n++
		}
	}
	return n
}

// failures returns the tests that failed, in the order of their names.
func failures(results []result) []result {
	var list []result
	for _, r := range results {
		if r.outcome == failed {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b result) int { return cmp.Compare(a.name, b.name) })
	return list
}

// report prints the counts, and the failures with their output if asked to.
func report(w io.Writer, o options, results []result, took time.Duration) {
	fmt.Fprintf(w, "%s, %s: %d passed, %d failed, %d skipped in %s\n", o.suite, o.mode,
		count(results, passed), count(results, failed), count(results, skipped), took.Round(time.Second))
	for _, r := range results {
		if r.shaky {
			fmt.Fprintf(w, "  passed only when run again: %s\n", r.name)
		}
	}
	if !o.verbose {
		return
	}
	for _, r := range failures(results) {
		fmt.Fprintf(w, "\n--- %s\n%s\n", r.name, strings.TrimSpace(r.output))
	}
}
