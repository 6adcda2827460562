// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"cmp"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-pg/weir/internal/config"
	"github.com/weir-pg/weir/internal/loop"
)

// spareFiles are the descriptors kept for other things than clients and their
// upstreams: pollers, listeners, logs, HTTP (web.MaxConns), cancel requests, and
// spareLogins sockets of clients that have not logged in, so that one more client
// can be told that there are too many, and a cancel request gets through.
const (
	spareFiles  = 128
	spareLogins = 16
)

// openFiles is how many descriptors this process may have. Go's own start has raised
// the soft limit to the hard one (syscall/rlimit.go); weir changes nothing of its host's.
// Settings that do not fit in are an error.
func openFiles(cfg *config.Config) (int, error) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 0, fmt.Errorf("cannot read the limit on open files: %w", err)
	}
	most := int(min(files.Cur, 1<<22))
	room := most - spareFiles - cfg.Pool.Max
	if room < 1 {
		return 0, fmt.Errorf("the limit on open files is %d, too low for any client beside a pool of %d; raise it (ulimit -n)", files.Cur, cfg.Pool.Max)
	}
	if cfg.MaxClients > room {
		return 0, fmt.Errorf("max_clients = %d needs more open files than the limit of %d allows; lower it to %d or raise the limit (ulimit -n)", cfg.MaxClients, files.Cur, room)
	}
	return most, nil
}

// shareFiles divides the descriptors between clients and what they need.
func (g *Gateway) shareFiles() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shareFilesLocked()
}

// shareFilesLocked keeps a descriptor for each connection that the pools may open,
// and for the one with which each listens; for at least one pool, and for so many
// that half of the descriptors are left for clients.
func (g *Gateway) shareFilesLocked() {
	setup := g.setup.Load()
	reserve := 2 * len(g.replicas)
	for _, d := range g.order {
		reserve += d.config.Max + 1
	}
	reserve = min(reserve, (setup.files-spareFiles)/2)
	g.sockets.Store(int64(setup.files - spareFiles - max(reserve, setup.config.Pool.Max)))
	g.env.Configure(g.MaxClients(), setup.config.ClientDisconnect == config.Cancel)
}

// MaxClients is how many clients may be connected: what the settings say, at
// most what descriptors allow.
func (g *Gateway) MaxClients() int {
	room := int(g.sockets.Load())
	if asked := g.Config().MaxClients; asked > 0 {
		return min(asked, room)
	}
	return room
}

// loginRoom is how many sockets there may be of clients that have not logged in.
func (g *Gateway) loginRoom() int {
	return max(spareLogins, min(maxLoginSockets, int(g.sockets.Load())-g.env.Len()))
}

// loopCount is the number of event loops: by default one for every two
// processors. A loop keeps a processor busy mostly inside the kernel, which does
// part of that work elsewhere, and fewer loops take more events at a time. Inside
// a program, where loops do not linger, there are two at least: with a single one
// the second processor falls asleep between two queries, and each has to wake it.
func loopCount(cfg *config.Config, ownProcess bool) int {
	n := runtime.GOMAXPROCS(0)
	if ownProcess {
		return cmp.Or(cfg.Loops, (n+1)/2)
	}
	return cmp.Or(cfg.Loops, min(n, max(2, (n+1)/2)))
}

// linger is how long an idle loop keeps its processor. Long, because each time it
// lets go costs some 50 wake-ups of the scheduler's monitor; below the 10 ms
// after which the monitor would interrupt it.
const linger = 5 * time.Millisecond

// loopOptions are those of the event loops.
func (g *Gateway) loopOptions(loops int, opts Options) loop.Options {
	o := loop.Options{Loops: loops, Logger: g.log, Busy: g.busy.Observe}
	if opts.OwnProcess {
		o.Linger = linger
		runtime.GOMAXPROCS(o.Loops + runtime.NumCPU())
	}
	return o
}
