// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func (p *program) configCommand() *cobra.Command {
	c := p.settings(&cobra.Command{
		Use:   "config",
		Short: "Show every setting, its value and where it came from",
	})
	format := c.Flags().String("format", "table", "table or json")
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := p.load(c)
		if err != nil {
			return err
		}
		switch *format {
		case "table":
			return cfg.WriteTable(p.stdout)
		case "json":
			return cfg.WriteJSON(p.stdout)
		}
		return fmt.Errorf("--format is %q, expected table or json", *format)
	}
	return c
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(p.stdout, "weir %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
