// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The lines of postmaster.pid that matter, counted from 0
// (src/include/utils/pidfile.h).
const (
	linePID    = 0
	lineStatus = 7
)

// poll is how often the lock file is read. PostgreSQL tells nobody that it is
// ready; pg_ctl reads this file too.
const poll = 5 * time.Millisecond

// errExited says that the postmaster ended instead of becoming ready.
var errExited = errors.New("PostgreSQL ended while it started")

// ready returns when p accepts connections, with errExited if it ends first.
func ready(ctx context.Context, p *process, data string) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if accepts(p.cmd.Process.Pid, data) {
			return nil
		}
		select {
		case <-p.exited:
			return errExited
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL was not ready in time: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// accepts reports whether the lock file in data is pid's and says ready (or
// standby, for a replica). The file is replaced as PostgreSQL goes along; one
// that is half there is not ready.
func accepts(pid int, data string) bool {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) <= lineStatus || strings.TrimSpace(lines[linePID]) != strconv.Itoa(pid) {
		return false
	}
	status := strings.TrimSpace(lines[lineStatus])
	return status == "ready" || status == "standby"
}

// tailBytes is how much of a log's end is looked at for its last lines.
const tailBytes = 2 << 10 // 2 KiB

// tail returns the last lines of a log.
func tail(text []byte) string {
	text = text[max(0, len(text)-tailBytes):]
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}
