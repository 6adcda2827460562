// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is what the process has used so far in all its threads,
// those that have ended included, to the nanosecond: its CPU clock, whose
// number is made from the process id (clock_getcpuclockid(3); CPUCLOCK_SCHED
// in the kernel's posix-timers_types.h). /proc/PID/stat has 10 ms steps.
func processorTime(pid int) (time.Duration, error) {
	const sched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|sched), &t); err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
