// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// scale is pgbench's scale factor: 1,000,000 rows, 150 MB, all in shared_buffers.
const scale = 10

// accounts is the rows of its largest table.
const accounts = 100_000 * scale

// tally is what one run of pgbench reports.
type tally struct {
	rate         float64 // transactions per second once all clients are connected
	transactions int64
}

// runArgs are the arguments of a select-only run. More threads than
// processors would only make pgbench wait for itself.
func runArgs(s scenario, seconds int) []string {
	return []string{
		"-n", "-S", "-M", s.Mode,
		"-c", strconv.Itoa(s.Clients),
		"-j", strconv.Itoa(min(s.Clients, runtime.NumCPU())),
		"-T", strconv.Itoa(seconds),
	}
}

// runCommand is a run as a reader would type it, for any mode.
func runCommand(clients string, seconds int) string {
	return fmt.Sprintf("pgbench -n -S -M MODE -c %s -j THREADS -T %d", clients, seconds)
}

// selects runs pgbench's select-only script through p. With a log prefix,
// pgbench also writes each transaction's time, for readLog.
func (r *rig) selects(ctx context.Context, p *peer, s scenario, log string) (tally, error) {
	args := runArgs(s, r.opts.seconds)
	if log != "" {
		args = append(args, "-l", "--log-prefix="+log)
	}
	out, err := r.pgbench(ctx, p.host, p.port, args...)
	if err != nil {
		return tally{}, err
	}
	return parseTally(out)
}

// pgbench runs it against host and port, and returns what it printed.
func (r *rig) pgbench(ctx context.Context, host string, port int, args ...string) (string, error) {
	return r.pgbenchWith(ctx, "", host, port, args...)
}

// pgbenchWith is pgbench whose clients send options, as libpq has them; "" is
// none.
func (r *rig) pgbenchWith(ctx context.Context, options, host string, port int, args ...string) (string, error) {
	// A proxy that answers nothing must not hold up the rest for ever.
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.opts.seconds)*time.Second+5*time.Minute)
	defer cancel()
	args = append(args, "-h", host, "-p", strconv.Itoa(port), "-U", r.db.User, r.db.Database)
	cmd := exec.CommandContext(ctx, r.tool, args...)
	cmd.Env = environment("PGPASSWORD="+r.db.Password, "PGSSLMODE=disable", "PGGSSENCMODE=disable", "PGOPTIONS="+options)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second // where a hundred of them share two processors, what they print comes late
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("pgbench: %w: %s", err, firstLines(stderr.String()))
	}
	return stdout.String(), nil
}

// firstLines shortens what pgbench printed: with many clients, it says the
// same thing once for each.
func firstLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[:min(3, len(lines))], " | ")
}

var (
	tallyRate   = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \((?:without initial connection time|excluding connections establishing)\)`)
	tallyCount  = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
	tallyFailed = regexp.MustCompile(`(?m)^number of failed transactions: (\d+)`)
)

// parseTally reads the summary of pgbench 10 to 18. A run without a
// transaction, or with a failed one, is an error: its rate says nothing.
func parseTally(out string) (tally, error) {
	count := tallyCount.FindStringSubmatch(out)
	if count == nil {
		return tally{}, unknownSummary(out)
	}
	transactions, err := strconv.ParseInt(count[1], 10, 64)
	if err != nil {
		return tally{}, err
	}
	// Without any, pgbench prints no rate.
	if transactions == 0 {
		return tally{}, errNone
	}
	if failed := tallyFailed.FindStringSubmatch(out); failed != nil && failed[1] != "0" {
		return tally{}, fmt.Errorf("pgbench counted %s failed transactions", failed[1])
	}
	rate := tallyRate.FindStringSubmatch(out)
	if rate == nil {
		return tally{}, unknownSummary(out)
	}
	perSecond, err := strconv.ParseFloat(rate[1], 64)
	return tally{rate: perSecond, transactions: transactions}, err
}

// errNone is why a run without a transaction is of no use.
var errNone = errors.New("pgbench finished no transaction; its time includes connecting, so -seconds may be too few")

func unknownSummary(out string) error {
	return fmt.Errorf("pgbench printed no summary that this program knows: %q", firstLines(out))
}
