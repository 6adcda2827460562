// SPDX-License-Identifier: Apache-2.0

// Command suites runs the test suites of PostgreSQL drivers against a private
// PostgreSQL, directly or through weir, and counts what passes. What fails is
// compared with a list of known differences, so that a new one shows:
//
//	go run ./suites -suite pgx -mode transaction
//
// docs/compatibility.md has the counts and explains each difference.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "suites:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	suite   string
	mode    mode
	weir    string // the binary to test; "" builds one
	pool    int    // most connections of weir to PostgreSQL
	form    form   // how PostgreSQL's own suites send their statements
	beside  int    // other clients of PostgreSQL's own suites
	audit   bool   // build weir so that it audits upstreams that change hands
	only    string // regular expression of tests, where the suite takes one
	known   string // folder of the lists of known differences
	log     string // folder for the output of the tests and of weir; "" for none
	verbose bool   // print why each test failed
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("suites", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.suite, "suite", "", "whose tests to run: "+strings.Join(suiteNames(), ", "))
	flags.StringVar((*string)(&o.mode), "mode", string(transaction), "how to reach PostgreSQL: direct, or through weir in transaction or session mode")
	flags.StringVar(&o.weir, "weir", "", "weir's binary; built from this repository if not given")
	flags.IntVar(&o.pool, "pool", 20, "weir's most connections to PostgreSQL")
	flags.StringVar((*string)(&o.form), "form", string(simple), "how the suites of PostgreSQL itself send a statement: simple, unnamed or named")
	flags.IntVar(&o.beside, "beside", 0, "how many other clients, which change all kinds of settings, the suites of PostgreSQL itself have")
	flags.BoolVar(&o.audit, "audit", false, "have weir compare what each connection holds that changes hands with what it should; a difference fails the run")
	flags.StringVar(&o.only, "run", "", "run only tests that match this regular expression (of PostgreSQL's own suites: these tests, between blanks), and compare with nothing")
	flags.StringVar(&o.known, "known", filepath.Join("suites", "known"), "folder of the lists of known differences")
	flags.StringVar(&o.log, "log", "", "folder to keep the output of the tests and of weir in")
	flags.BoolVar(&o.verbose, "v", false, "print the output of each test that fails")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if !o.mode.valid() {
		return o, fmt.Errorf("-mode %q: expected direct, transaction or session", o.mode)
	}
	if !o.form.valid() {
		return o, fmt.Errorf("-form %q: expected simple, unnamed or named", o.form)
	}
	if o.audit && (o.weir != "" || o.mode == direct) {
		return o, errors.New("-audit needs a weir that is built for it: give no -weir, and a mode that has one")
	}
	if _, ok := suites[o.suite]; !ok {
		return o, fmt.Errorf("-suite %q: expected one of %s", o.suite, strings.Join(suiteNames(), ", "))
	}
	return o, nil
}

// run returns an error where a test failed that is not known to, too.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	results, took, err := measure(ctx, o)
	if err != nil {
		return err
	}
	report(stdout, o, results, took)
	if o.only != "" {
		return nil
	}
	list, err := o.knownFailures()
	if err != nil {
		return err
	}
	return compare(stdout, list, results)
}

// knownFailures reads the lists of what fails in the mode, and in the form where it
// has one of its own. What fails directly fails through weir as well.
func (o options) knownFailures() (all []known, err error) {
	modes := []mode{direct, o.mode}
	if (o.suite != "regress" && o.suite != "isolation") || o.mode == direct {
		modes = modes[1:]
	}
	for _, m := range modes {
		names := []string{o.suite + "-" + string(m)}
		if o.form != simple {
			names = append(names, o.suite+"-"+string(m)+"-"+string(o.form))
		}
		for _, name := range names {
			list, err := readKnown(filepath.Join(o.known, name+".txt"))
			if err != nil {
				return nil, err
			}
			all = append(all, list...)
		}
	}
	return all, nil
}

// measure runs the suite and returns what became of each test.
func measure(ctx context.Context, o options) (_ []result, took time.Duration, err error) {
	dir, err := os.MkdirTemp("", "weir-suites-")
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := suites[o.suite](ctx, dir)
	if err != nil {
		return nil, 0, fmt.Errorf("prepare the suite of %s: %w", o.suite, err)
	}
	site, err := open(ctx, o, s, dir)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		err = errors.Join(err, site.close())
		if o.audit {
			err = errors.Join(err, site.gateway.audited())
		}
	}()
	began := time.Now()
	results, err := s.run(ctx, site, o)
	if err == nil {
		err = site.alive()
	}
	return results, time.Since(began), err
}
