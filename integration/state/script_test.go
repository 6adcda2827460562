// SPDX-License-Identifier: Apache-2.0

package state_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// script is a file of the folder scripts: what two clients do, whatever the
// other does in between.
//
//	# What it shows.
//	pool 1
//	setup
//	  create table … -- by another connection, before anything else
//	one work_mem=9MB
//	  a step
//	two
//	  a step
type script struct {
	name   string
	pool   int
	setup  []string
	params []map[string]string
	steps  [][]string // of each client
}

// load reads all scripts.
func load(t testing.TB) (all []script) {
	t.Helper()
	files, err := filepath.Glob("scripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parse(string(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		s.name = strings.TrimSuffix(filepath.Base(file), ".txt")
		all = append(all, s)
	}
	return all
}

// parse reads one script.
func parse(text string) (s script, err error) {
	s.pool = 1
	var list *[]string // that indented lines belong to
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "#":
		case "":
			if step := strings.TrimSpace(rest); step != "" {
				*list = append(*list, step)
			}
		case "pool":
			if s.pool, err = strconv.Atoi(rest); err != nil {
				return s, err
			}
		case "setup":
			list = &s.setup
		case "one", "two":
			s.params, s.steps = append(s.params, settings(rest)), append(s.steps, nil)
			list = &s.steps[len(s.steps)-1]
		default:
			return s, fmt.Errorf("%q is nothing of a script", line)
		}
	}
	if len(s.steps) != 2 {
		return s, fmt.Errorf("%d clients, want one and two", len(s.steps))
	}
	return s, nil
}

// settings reads name=value pairs between blanks. A blank in a value is a "+".
func settings(text string) map[string]string {
	m := make(map[string]string)
	for pair := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(pair, "=")
		m[name] = strings.ReplaceAll(value, "+", " ")
	}
	return m
}
