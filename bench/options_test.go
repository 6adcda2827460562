// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-rounds=2", "-clients=1, 20,20", "-modes=prepared", "-only=latency,restart"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.rounds != 2 || !slices.Equal(o.clients, []int{1, 20}) || !slices.Equal(o.modes, []string{"prepared"}) {
		t.Errorf("got %+v", o)
	}
	for name, want := range map[string]bool{latency: true, restart: true, throughput: false, memory: false} {
		if o.has(name) != want {
			t.Errorf("has(%s): got %t, want %t", name, !want, want)
		}
	}
}

func TestSmokeIsShort(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-smoke", "-rounds=6", "-seconds=5"}, io.Discard)
	if err != nil || o.rounds != 1 || o.seconds != 2 || o.idle > 300 {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestReferenceReplacesThePeers(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-ref", self}, io.Discard)
	if want := []string{reference, weir}; err != nil || !slices.Equal(o.peers, want) {
		t.Errorf("got %v, %v, want %v", o.peers, err, want)
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	t.Parallel()
	for args, part := range map[string]string{
		"-rounds=0":        "at least 1",
		"-clients=1,x":     "-clients",
		"-clients=0":       "-clients",
		"-modes=fast":      "simple, extended, prepared",
		"-only=everything": "throughput",
		"-peers=pgpool":    "pgbouncer",
		"-ref=/no/such":    "-ref",
		"now":              "takes flags only",
		"-what":            "not defined",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); !wrongAs(err, part) {
			t.Errorf("%s: got %v, want an error with %q", args, err, part)
		}
	}
	if _, err := parse([]string{"-help"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-help: got %v, want %v", err, flag.ErrHelp)
	}
}
