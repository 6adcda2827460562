// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/testpg"
)

// put replaces a file as editors and deployments do: by a rename.
func put(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// shows waits until the status has some words.
func (s *served) shows(t *testing.T, words string) {
	t.Helper()
	until(t, "the status to show "+words, func() bool {
		_, body := page(s.http + "/api/v1/status")
		return strings.Contains(strings.NewReplacer(" ", "", "\n", "").Replace(body), words)
	})
}

func TestHangupReloads(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "weir.toml")
	put(t, file, "pool.max = 3\n")
	s := serve(t, "--config", file)
	conn := connect(t, s.url)
	s.shows(t, `"max":3`)
	put(t, file, "pool.max = 4\nlog.level = \"debug\"\n")
	s.signal(t, syscall.SIGHUP)
	s.wait(t, `because=SIGHUP`)
	// The log, because whoever watches the file may have been first: then nothing
	// was left to change, which is what the status says.
	s.wait(t, `the settings were reloaded" changed="\[pool.max log.level\]"`)
	s.shows(t, `"max":4`)
	if err := query(t, conn, "select 1"); err != nil {
		t.Errorf("a client was dropped: %v", err)
	}
	terminated := "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
	until(t, "a line at that level, which comes into force a moment after the rest", func() bool {
		testpg.Exec(t, s.upstream, terminated) // which is worth one
		_ = query(t, conn, "select 1")         // it has another opened, to be ended next time
		return strings.Contains(s.output.String(), "level=DEBUG")
	})
}

func TestAChangedFileReloads(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(t *testing.T, dir, text string){
		"renamed": func(t *testing.T, dir, text string) { put(t, filepath.Join(dir, "weir.toml"), text) },
		"written": func(t *testing.T, dir, text string) {
			if err := os.WriteFile(filepath.Join(dir, "weir.toml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		// As Kubernetes does: weir.toml -> ..data/weir.toml, ..data -> the present folder.
		"folder swapped": func(t *testing.T, dir, text string) {
			folder := filepath.Join(dir, "..next")
			put(t, filepath.Join(mkdir(t, folder), "weir.toml"), text)
			if err := os.Symlink(folder, filepath.Join(dir, "..data.next")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, "..data.next"), filepath.Join(dir, "..data")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			put(t, filepath.Join(mkdir(t, filepath.Join(dir, "..first")), "weir.toml"), "pool.max = 3\n")
			for link, to := range map[string]string{"..data": "..first", "weir.toml": "..data/weir.toml"} {
				if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			s := serve(t, "--config", filepath.Join(dir, "weir.toml"))
			connect(t, s.url)
			s.shows(t, `"max":3`)
			change(t, dir, "pool.max = 4\n")
			s.shows(t, `"max":4`)
		})
	}
}

// TestAFileThatChangesDuringTheStartIsReloaded changes it after it was read, and
// before anybody watches it.
func TestAFileThatChangesDuringTheStartIsReloaded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "weir.toml")
	put(t, file, "pool.max = 3\n")
	flags := pflag.NewFlagSet("weir", pflag.ContinueOnError)
	config.RegisterFlags(flags)
	load := func() (*config.Config, error) {
		return config.Load(config.Source{Flags: flags, Args: []string{"--config", file}, Environ: []string{somewhere}})
	}
	if err := flags.Parse([]string{"--config", file}); err != nil {
		t.Fatal(err)
	}
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	g, err := weir.Open(t.Context(), *cfg, weir.WithLogger(log))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	reloaded := make(chan int, 1)
	r := reloader{gateway: g, level: new(slog.LevelVar), log: log, config: cfg, read: look(cfg.Files())}
	r.load = func() (*config.Config, error) {
		next, err := load()
		if err == nil {
			reloaded <- next.Pool.Max
		}
		return next, err
	}
	put(t, file, "pool.max = 4\n")
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { r.watch(ctx, nil) })
	defer watching.Wait()
	defer stop()
	select {
	case n := <-reloaded:
		if n != 4 {
			t.Errorf("pool.max = %d, want 4", n)
		}
	case <-time.After(patience):
		t.Error("the change was not noticed")
	}
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileWithMistakesChangesNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "weir.toml")
	put(t, file, "pool.max = 3\n")
	s := serve(t, "--config", file)
	conn := connect(t, s.url)
	put(t, file, "pool.max = 0\npool.mim = 1\n")
	s.signal(t, syscall.SIGHUP)
	s.wait(t, `not reloaded.*pool.max`)
	s.wait(t, `not reloaded.*did you mean pool.min`)
	s.shows(t, `"max":3`)
	if _, body := page(s.http + "/metrics"); !strings.Contains(body, "weir_config_reload_success 0") {
		t.Error("/metrics does not say that the reload failed")
	}
	if err := query(t, conn, "select 1"); err != nil {
		t.Errorf("a client was dropped: %v", err)
	}
	put(t, file, "pool.max = 5\n")
	s.wait(t, `the settings were reloaded`)
	s.shows(t, `"max":5`)
	if _, body := page(s.http + "/metrics"); !strings.Contains(body, "weir_config_reload_success 1") {
		t.Error("/metrics does not say that the next reload did not fail")
	}
}
