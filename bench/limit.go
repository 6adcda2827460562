// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"syscall"
)

// raiseDescriptors lets this program, and the proxies that inherit the limit
// from it, open at least need files and sockets.
func raiseDescriptors(need uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading RLIMIT_NOFILE: %w", err)
	}
	// Set even where it is high enough: Go hands its children the limit that
	// it found at start, unless the program itself has set one.
	limit.Cur = max(limit.Max, need)
	limit.Max = limit.Cur
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("RLIMIT_NOFILE is too low for %d sockets (%w): raise the hard limit (ulimit -Hn) or lower -idle", need, err)
	}
	return nil
}
