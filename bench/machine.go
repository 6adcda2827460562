// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine is what the figures depend on, and nothing that names the machine.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"` // that this program may use
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %s, %s, %s", m.CPU, plural(m.Cores, "core"), m.Kernel, m.Arch)
}

func thisMachine() machine {
	m := machine{CPU: "unknown processor", Cores: runtime.NumCPU(), Kernel: runtime.GOOS, Arch: runtime.GOARCH}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPU = cmp.Or(cpuModel(string(text)), m.CPU)
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err == nil {
		m.Kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	}
	return m
}

// cpuModel is the first "model name" in the text of /proc/cpuinfo, which not
// every architecture has.
func cpuModel(text string) string {
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// today is the date in UTC, YYYY-MM-DD.
func today() string { return time.Now().UTC().Format(time.DateOnly) }
