// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"strconv"
)

// plural is "1 client", "20 clients", "10,000 clients".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return whole(float64(n)) + " " + noun + "s"
}

// whole rounds, and groups the digits by three. v is not negative.
func whole(v float64) string {
	digits := strconv.FormatInt(int64(math.Round(v)), 10)
	out := ""
	for len(digits) > 3 {
		cut := len(digits) - 3
		out = "," + digits[cut:] + out
		digits = digits[:cut]
	}
	return digits + out
}

// micros shows a time in µs: "6.1 µs", "2.34 ms".
func micros(us float64) string {
	if us < 1000 {
		return fmt.Sprintf("%.1f µs", us)
	}
	return millis(us / 1000)
}

// millis shows a time in ms: "2.34 ms", "15,012 ms".
func millis(ms float64) string {
	if ms < 100 {
		return fmt.Sprintf("%.2f ms", ms)
	}
	return whole(ms) + " ms"
}

// kibibytes shows a size in bytes.
func kibibytes(b float64) string { return fmt.Sprintf("%.2f KiB", b/(1<<10)) }

// mebibytes shows a size in bytes.
func mebibytes(b float64) string { return fmt.Sprintf("%.1f MiB", b/(1<<20)) }

// times shows a ratio.
func times(ratio float64) string { return fmt.Sprintf("%.2f×", ratio) }

// percent shows a share, of which 1 is all.
func percent(share float64) string { return fmt.Sprintf("%.2f %%", 100*share) }
