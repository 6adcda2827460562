// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// readLogs collects the times of all transactions, in µs and ascending, from
// the files that pgbench's threads wrote under the prefix, and removes them.
func readLogs(prefix string) ([]int64, error) {
	files, err := filepath.Glob(prefix + ".*")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("pgbench wrote no transaction log")
	}
	var all []int64
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		all, err = parseLog(all, f)
		f.Close()
		if err != nil {
			return nil, err
		}
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return all, nil
}

// parseLog appends the third field of each line, the transaction's time in
// µs: "client_id transaction_no time script_no time_epoch time_us"
// (PostgreSQL documentation, pgbench, Per-Transaction Logging). Words in its
// place, "failed" and "skipped", are errors.
func parseLog(all []int64, r io.Reader) ([]int64, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) < 6 {
			return nil, fmt.Errorf("pgbench logged %q, where at least six fields were expected", lines.Text())
		}
		us, err := strconv.ParseInt(string(fields[2]), 10, 64)
		if err != nil || us < 0 {
			return nil, fmt.Errorf("pgbench logged %q, where the third field should be a time in microseconds", lines.Text())
		}
		all = append(all, us)
	}
	return all, lines.Err()
}
