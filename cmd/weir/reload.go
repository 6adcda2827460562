// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weir-pg/weir"
	"github.com/weir-pg/weir/internal/config"
)

// watchEvery is how often files of the settings are looked at. What a look finds
// has to be the same at the next one before it is read, so that a file is not
// read half written, nor a certificate without its key.
const watchEvery = 2 * time.Second

// reloader has a gateway go on with what the settings are now.
type reloader struct {
	gateway *weir.Gateway
	load    func() (*config.Config, error)
	level   *slog.LevelVar
	log     *slog.Logger
	config  *config.Config // what the gateway has now
	read    stamps         // of the files when they were read last

	timeout atomic.Int64 // shutdown_timeout as it is now, in nanoseconds
}

// watch reloads on each hangup and when files of the settings change, until ctx
// ends.
func (r *reloader) watch(ctx context.Context, hangups <-chan os.Signal) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last := r.read
	for {
		because := "SIGHUP"
		select {
		case <-hangups:
		case <-tick.C:
			because = "a file has changed"
		case <-ctx.Done():
			return
		}
		now := look(r.config.Files())
		settled := maps.Equal(now, last)
		last = now
		if because == "SIGHUP" || settled && !maps.Equal(now, r.read) {
			r.log.Info("reloading the settings", "because", because)
			r.reload()
			r.read = now.of(r.config.Files())
		}
	}
}

// reload reads the settings and hands them to the gateway.
func (r *reloader) reload() {
	next, err := r.load()
	if err != nil {
		r.gateway.ReloadFailed(err)
		return
	}
	if r.gateway.Reload(*next) != nil {
		return // it has said why
	}
	if next.Log.Level != r.config.Log.Level {
		r.level.Set(levels[next.Log.Level])
	}
	r.config = next
	r.timeout.Store(int64(next.ShutdownTimeout))
}

// stamps tell the contents of files from what they were, by path.
type stamps map[string]stamp

// stamp is the zero value where there is no file.
type stamp struct {
	inode   uint64
	size    int64
	changed time.Time
}

// look returns the stamps of files. Links are followed: Kubernetes swaps the
// folder to which they lead.
func look(files []string) stamps {
	now := make(stamps, len(files))
	for _, path := range files {
		var s stamp
		if info, err := os.Stat(path); err == nil {
			s.size, s.changed = info.Size(), info.ModTime()
			if sys, ok := info.Sys().(*syscall.Stat_t); ok {
				s.inode = sys.Ino
			}
		}
		now[path] = s
	}
	return now
}

// of returns the stamps of files as they were, for those that were looked at, and
// else as they are now.
func (s stamps) of(files []string) stamps {
	list := look(files)
	for path := range list {
		if before, known := s[path]; known {
			list[path] = before
		}
	}
	return list
}
