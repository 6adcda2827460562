// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
)

// blank is the page when there is none yet.
//
//go:embed page.md
var blank string

// The lines of the page between which it is generated. What stands around
// them is written by people and kept.
const (
	begin = "<!-- begin of what `make bench` writes -->"
	end   = "<!-- end of what `make bench` writes -->"
)

// writeDocs adds what was found to what earlier runs found, in
// benchmarks.json, and draws the plot and the page anew from that: a section
// that this run did not measure stays, with its own date and versions.
func writeDocs(dir string, found results) error {
	file := func(extension string) string { return filepath.Join(dir, "benchmarks."+extension) }
	all, err := readResults(file("json"))
	if err != nil {
		return err
	}
	maps.Copy(all, found)
	page, err := renderPage(file("md"), all)
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if s, ok := all[throughput]; ok {
		var plot bytes.Buffer
		if err := drawThroughput(&plot, s); err != nil {
			return err
		}
		if err := os.WriteFile(file("svg"), plot.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return errors.Join(
		os.WriteFile(file("json"), append(data, '\n'), 0o644),
		os.WriteFile(file("md"), page, 0o644))
}

// readResults reads earlier results, none if there is no file.
func readResults(path string) (results, error) {
	all := results{}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("%s holds no results of this program (%w): remove it to start anew", path, err)
	}
	return all, nil
}

// renderPage is the page at path with its generated part made from all.
func renderPage(path string, all results) ([]byte, error) {
	page, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		page = []byte(blank)
	} else if err != nil {
		return nil, err
	}
	var part bytes.Buffer
	if err := writePart(&part, all); err != nil {
		return nil, err
	}
	out, err := between(page, part.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// between puts part between the two markers of page, which stay.
func between(page, part []byte) ([]byte, error) {
	before, rest, ok := bytes.Cut(page, []byte(begin))
	if !ok {
		return nil, fmt.Errorf("the line %s is missing", begin)
	}
	_, after, ok := bytes.Cut(rest, []byte(end))
	if !ok {
		return nil, fmt.Errorf("the line %s is missing after the one that begins", end)
	}
	return bytes.Join([][]byte{before, []byte(begin), []byte("\n\n"), part, []byte(end), after}, nil), nil
}

// writePart writes the generated part of the page.
func writePart(w io.Writer, all results) error {
	for _, v := range views {
		s, ok := all[v.name]
		if !ok {
			continue
		}
		if err := writeSection(w, v, s); err != nil {
			return err
		}
	}
	return nil
}

// writeSection writes one section of the page.
func writeSection(w io.Writer, v view, s section) error {
	if _, err := fmt.Fprintf(w, "## %s\n\n%s\n\n", v.title, v.text); err != nil {
		return err
	}
	if v.name == throughput {
		if _, err := fmt.Fprintf(w, "![Transactions per second of each contender, by mode and number of clients](benchmarks.svg)\n\n"); err != nil {
			return err
		}
	}
	if err := writeFigures(w, v, s); err != nil {
		return err
	}
	return s.writeSetup(w)
}

// writeTables prints what was found, for a terminal.
func writeTables(w io.Writer, found results) error {
	for _, v := range views {
		s, ok := found[v.name]
		if !ok {
			continue
		}
		if err := writeFigures(w, v, s); err != nil {
			return err
		}
	}
	return nil
}

// writeFigures writes a table for each figure that was measured, under its title.
func writeFigures(w io.Writer, v view, s section) error {
	for _, f := range v.figures {
		t := tabulate(s, f)
		if !t.hasNumbers() {
			continue
		}
		if _, err := fmt.Fprintf(w, "### %s\n\n", f.title); err != nil {
			return err
		}
		if err := t.write(w); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}
