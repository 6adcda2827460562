// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/weir-pg/weir/internal/config"
)

var update = flag.Bool("update", false, "rewrite what the tests expect in testdata and docs")

// TestMain hides the PG* variables and the home of whoever runs the tests:
// libpq's rules read both.
func TestMain(m *testing.M) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "PG") {
			os.Unsetenv(name)
		}
	}
	os.Setenv("HOME", os.DevNull)
	os.Exit(m.Run())
}

// TestLoad runs the scripts in testdata, each named for what comes of it: the
// mistakes, or the settings that are not defaults and the notices.
func TestLoad(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			body, want, _ := strings.Cut(string(script), "-- want --\n")
			got := outcome(t, sections(body))
			if strings.Contains(got, "hunter") {
				t.Errorf("shows a password:\n%s", got)
			}
			if *update {
				if err := os.WriteFile(path, []byte(body+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// sections splits "-- name --" lines and what follows each.
func sections(script string) map[string]string {
	m := map[string]string{}
	name := ""
	for line := range strings.Lines(script) {
		if inner, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok {
			name = strings.TrimSuffix(inner, " --")
			continue
		}
		m[name] += line
	}
	return m
}

// outcome loads the args, env and weir.toml of a script.
func outcome(t *testing.T, script map[string]string) string {
	t.Helper()
	source := config.Source{
		Args:    strings.Fields(script["args"]),
		Environ: strings.Split(strings.TrimSpace(script["env"]), "\n"),
	}
	if text, ok := script["weir.toml"]; ok {
		source.File = filepath.Join(t.TempDir(), "weir.toml")
		if err := os.WriteFile(source.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source.Flags = flags(t, source.Args)
	c, err := config.Load(source)
	if err != nil {
		if _, ok := errors.AsType[config.Mistakes](err); !ok {
			t.Errorf("error is a %T, want Mistakes", err)
		}
		return err.Error() + "\n"
	}
	return chosen(t, c)
}

// flags parses args as the command does, which lets unknown flags pass.
func flags(t *testing.T, args []string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("weir", pflag.ContinueOnError)
	fs.ParseErrorsAllowlist.UnknownFlags = true
	config.RegisterFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

// chosen is the settings that are not defaults, and the notices.
func chosen(t *testing.T, c *config.Config) string {
	t.Helper()
	var all, some bytes.Buffer
	if err := c.WriteTable(&all); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(all.String()) {
		if fields := strings.Fields(line); fields[len(fields)-1] != "default" {
			some.WriteString(strings.Join(fields, " ") + "\n")
		}
	}
	for _, notice := range c.Notices {
		some.WriteString("notice: " + notice + "\n")
	}
	return some.String()
}
