// SPDX-License-Identifier: Apache-2.0

// Command weir is a gateway between applications and PostgreSQL.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/weir-pg/weir/internal/config"
)

// version is set by the linker, see the Makefile.
var version = "dev"

// Exit statuses.
const (
	exitFailure = 1
	exitUsage   = 2 // wrong settings
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	if err != nil {
		os.Exit(report(os.Stderr, err))
	}
}

// run carries out one command.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	root := &cobra.Command{
		Use:           "weir",
		Short:         "A gateway between applications and PostgreSQL",
		Long:          "weir lets many clients share few connections to PostgreSQL.\n\nSettings come from flags, then the environment, then weir.toml, then defaults;\n`weir config` shows each with where it came from.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		Args:          noCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	p := program{args: args, environ: environ, stdout: stdout, stderr: stderr}
	root.SetFlagErrorFunc(func(c *cobra.Command, _ error) error {
		return errors.New("no such flag: " + c.CommandPath() + " --help lists them")
	})
	root.AddCommand(p.runCommand(), p.devCommand(), p.configCommand(), p.versionCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// noCommand refuses arguments that are no command. They are not repeated: one may
// be a URL with its password, and the log is no place for it.
func noCommand(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return errors.New("unknown command: `weir run` serves clients, `weir --help` lists the others; the URL of PostgreSQL is --upstream or DATABASE_URL")
}

// program is what every subcommand needs of the world.
type program struct {
	args, environ  []string
	stdout, stderr io.Writer
	level          slog.LevelVar // of the log
}

// settings adds the flags of all settings to c. Unknown flags are reported
// together with all other mistakes, by config.Load.
func (p *program) settings(c *cobra.Command) *cobra.Command {
	config.RegisterFlags(c.Flags())
	c.FParseErrWhitelist.UnknownFlags = true
	c.Args = cobra.ArbitraryArgs
	return c
}

// load reads the settings.
func (p *program) load(c *cobra.Command) (*config.Config, error) {
	return config.Load(config.Source{Flags: c.Flags(), Args: p.args[1:], Environ: p.environ})
}

// report prints why the command failed and returns the exit status.
func report(w io.Writer, err error) int {
	fmt.Fprintln(w, "weir: "+err.Error())
	if mistakes, ok := errors.AsType[config.Mistakes](err); ok && len(mistakes) > 0 {
		return exitUsage
	}
	return exitFailure
}
