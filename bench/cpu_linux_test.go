// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

func TestProcessorTimeIsTheKernelsOwn(t *testing.T) {
	before := usage(t)
	got, err := processorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// getrusage scales the same sum to user and system time and rounds both.
	const slack = 5 * time.Millisecond
	if after := usage(t); got < before-slack || got > after+slack {
		t.Errorf("got %v, want something from %v to %v", got, before, after)
	}
}

func TestProcessorTimeOfNoProcessFails(t *testing.T) {
	t.Parallel()
	const beyond = 1 << 22 // the kernel's largest process id, plus one
	if got, err := processorTime(beyond); err == nil {
		t.Errorf("got %v, want an error", got)
	}
}

func usage(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
