// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) > 1 && os.Args[1] == workerCommand {
		err = runWorker(ctx, os.Args[2:], os.Stdin, os.Stdout)
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	cancel()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// run measures what args ask for. Tables go to stdout, progress to stderr.
// Whatever it started has ended when it returns.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	opts, err := parse(args, stderr)
	if err != nil {
		return err
	}
	r, err := setUp(ctx, opts, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.tearDown()) }()

	found, err := r.measure(ctx)
	if ctx.Err() != nil {
		return errors.New("stopped; nothing was written")
	}
	if err != nil {
		return err
	}
	return errors.Join(publish(stdout, opts, found), found.failures())
}

// publish prints what was found, and writes it into the docs if this run is
// one whose figures mean anything there.
func publish(stdout io.Writer, opts options, found results) error {
	if opts.ref != "" {
		return writePaired(stdout, found)
	}
	if err := writeTables(stdout, found); err != nil {
		return err
	}
	if opts.smoke || found.failures() != nil {
		return nil
	}
	return writeDocs(opts.docs, found)
}
