// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// known is a test that is known to fail, and why. Some causes hit other tests
// in each run, such as a table that another test has left: these are known by
// what the tests say.
type known struct {
	cause string         // a word that docs/compatibility.md explains
	name  string         // of the test
	says  *regexp.Regexp // instead of a name; matches the test's output
}

// readKnown reads a list of known failures: on each line a cause, and a test's
// name or a regular expression between slashes; # for comments. A missing file
// is an empty list.
func readKnown(path string) ([]known, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("known differences: %w", err)
	}
	var list []known
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		cause, name, ok := strings.Cut(line, " ")
		if !ok {
			return nil, fmt.Errorf("%s:%d: expected a cause and the name of a test, not %q", path, i+1, line)
		}
		k := known{cause: cause, name: strings.TrimSpace(name)}
		if n := len(k.name); n > 1 && k.name[0] == '/' && k.name[n-1] == '/' {
			if k.says, err = regexp.Compile(k.name[1 : n-1]); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
			}
		}
		list = append(list, k)
	}
	return list, nil
}

// compare prints the failures with their causes. The error says that some are
// not on the list. One on the list that does not fail any more is good news.
func compare(w io.Writer, list []known, results []result) error {
	seen := map[string]bool{}
	var fresh int
	for _, r := range failures(results) {
		k, ok := find(list, r)
		if !ok {
			k.cause = "NEW"
			fresh++
		}
		seen[k.name] = true
		fmt.Fprintf(w, "  %-10s %s\n", k.cause, r.name)
	}
	for _, k := range list {
		if k.says == nil && !seen[k.name] {
			fmt.Fprintf(w, "  %-10s %s: does not fail any more; take it off the list\n", k.cause, k.name)
		}
	}
	if fresh > 0 {
		return fmt.Errorf("%d tests failed that are not known to", fresh)
	}
	return nil
}

// find returns the entry for a failure, one with its name before others.
func find(list []known, r result) (known, bool) {
	for _, k := range list {
		if k.name == r.name {
			return k, true
		}
	}
	for _, k := range list {
		if k.says != nil && k.says.MatchString(r.output) {
			return k, true
		}
	}
	return known{}, false
}
