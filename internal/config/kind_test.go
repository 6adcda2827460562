// SPDX-License-Identifier: Apache-2.0

package config

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	tests := map[string]time.Duration{
		"0": 0, "30000": 30 * time.Second, "30s": 30 * time.Second, "1h": time.Hour, "1m30s": 90 * time.Second, "1.5s": 1500 * time.Millisecond,
		"-1": -1, "-1s": -1, "": -1, "30 s": -1, "1d": -1, "9223372036854775807": -1, "1e3": -1,
	}
	for text, want := range tests {
		got, ok := parseDuration(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, ok, want)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	tests := map[string]int64{
		"0": 0, "65536": 65536, "64KiB": 65536, "64kB": 65536, "64 kb": 65536, "1MB": 1 << 20, "2GiB": 2 << 30, "5B": 5,
		"-1": -1, "": -1, "KiB": -1, "1.5MB": -1, "64k": -1, "9223372036854775807KiB": -1,
	}
	for text, want := range tests {
		got, ok := parseBytes(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, ok, want)
		}
	}
}

// What is shown reads as the same value.
func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"30000", "1h0m5s", "1.5ms", "10m", "-3", "99999999999999999999", "1h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := parseDuration(text)
		if !ok {
			return
		}
		if again, ok := parseDuration(showDuration(d)); !ok || again != d || d < 0 {
			t.Errorf("%q is %d, shown as %q, which is %d, %v", text, d, showDuration(d), again, ok)
		}
	})
}

func FuzzBytes(f *testing.F) {
	for _, seed := range []string{"65536", "64KiB", "1 gb", "-1b", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := parseBytes(text)
		if !ok {
			return
		}
		if again, ok := parseBytes(showBytes(n)); !ok || again != n || n < 0 {
			t.Errorf("%q is %d, shown as %q, which is %d, %v", text, n, showBytes(n), again, ok)
		}
	})
}

// Any file gives settings or mistakes, each value with its line.
func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"listen = ['127.0.0.1:6432']\n[pool]\nmax = 5\n",
		"databases.\"a b\" = { upstream = 'postgres://h/d', pool.max = 3 }\n",
		"[users.a]\npassword = 'x'\n[[users.b]]\n", "a.b.c = 1\n[a.b]\n", "pool = {}\n", "[databases]\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		leaves, err := parse(text)
		if err != nil {
			return
		}
		l := &loader{Config: Default(), bad: map[string]bool{}}
		for _, one := range leaves {
			if one.line == 0 || one.owner == 0 {
				t.Errorf("%q has no line in %q", one.path, text)
			}
			l.takeLeaf(one)
		}
		if message := l.mistakes.Error(); len(l.mistakes) > 0 && message == "" {
			t.Error("mistakes without a message")
		}
	})
}
