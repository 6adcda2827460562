// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log/slog"
	"os"
	"runtime/debug"

	"golang.org/x/term"

	"github.com/weir-pg/weir/internal/config"
)

// logger returns the log of a server: on standard error, text where a person
// reads along, JSON where a program does. p.level is its level from then on.
func (p *program) logger(settings config.Log) *slog.Logger {
	p.level.Set(levels[settings.Level])
	options := &slog.HandlerOptions{Level: &p.level}
	if settings.Format == config.Text || settings.Format == config.Auto && p.onTerminal() {
		return slog.New(slog.NewTextHandler(p.stderr, options))
	}
	return slog.New(slog.NewJSONHandler(p.stderr, options))
}

var levels = map[config.Level]slog.Level{
	config.Debug: slog.LevelDebug,
	config.Info:  slog.LevelInfo,
	config.Warn:  slog.LevelWarn,
	config.Error: slog.LevelError,
}

func (p *program) onTerminal() bool {
	f, ok := p.stderr.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// tune sets up the garbage collector for a program whose steady state
// allocates next to nothing: what garbage there is comes from logins and
// prepared statements, so collecting early costs little and keeps the memory
// of idle clients near what they need.
func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}
