// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// resident is the process's memory that is in RAM, in bytes. It reads the
// exact sum of /proc/PID/smaps_rollup: VmRSS in /proc/PID/status lags behind
// by up to 64 pages for each processor. Sockets are the kernel's memory and
// are not in it.
func resident(pid int) (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	defer f.Close()
	return parseRollup(f)
}

// parseRollup finds the line "Rss:  1234 kB"; the kernel's kB is 1024 bytes.
func parseRollup(r io.Reader) (int64, error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), "Rss:")
		if !ok {
			continue
		}
		number := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB"))
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("smaps_rollup has the line %q, where Rss in kB was expected", lines.Text())
		}
		return n << 10, nil
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("smaps_rollup has no line that starts with Rss")
}

// settled waits until the process's memory has stopped moving, so that what
// the logins left behind for a collector does not count as an idle client's,
// and returns it. It waits for at most longest.
func settled(ctx context.Context, pid int, longest time.Duration) (int64, error) {
	const (
		step  = 500 * time.Millisecond
		still = 10       // steps
		band  = 64 << 10 // 64 KiB
	)
	last, err := resident(pid)
	if err != nil {
		return 0, err
	}
	for calm, end := 0, time.Now().Add(longest); calm < still && time.Now().Before(end); {
		if err := pause(ctx, step); err != nil {
			return 0, err
		}
		now, err := resident(pid)
		if err != nil {
			return 0, err
		}
		if max(now-last, last-now) > band {
			calm, last = 0, now
		} else {
			calm++
		}
	}
	return resident(pid)
}

// pause waits, or returns ctx's error if that ends first.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
