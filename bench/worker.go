// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	gateway "github.com/weir-pg/weir"
)

// workerCommand is the argument with which this program is one of the programs
// that it measures.
const workerCommand = "worker"

const (
	warmUp      = 500 * time.Millisecond // before anything counts: connections are opened
	failedPause = 10 * time.Millisecond  // before a goroutine asks again what has failed
)

// work is what a worker is to do.
type work struct {
	pool       string // weir or pgxpool
	url        string
	size       int // of the pool
	goroutines int
	seconds    int
}

// worked is what it did after the warm-up, as JSON on its standard output.
type worked struct {
	Done   int           `json:"done"`
	Failed int           `json:"failed"`
	CPU    time.Duration `json:"cpu"`
	Times  []int64       `json:"times"` // µs; of every sixteenth
	Error  string        `json:"error"` // the first
}

// runWorker waits for a line on in after it has said that it is ready, so that
// several begin together.
func runWorker(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	var w work
	fs := flag.NewFlagSet(workerCommand, flag.ContinueOnError)
	fs.StringVar(&w.pool, "pool", "", "")
	fs.StringVar(&w.url, "url", "", "")
	fs.IntVar(&w.size, "size", 0, "")
	fs.IntVar(&w.goroutines, "goroutines", 0, "")
	fs.IntVar(&w.seconds, "seconds", 0, "")
	if err := fs.Parse(args); err != nil {
		return err
	}
	pool, done, err := w.open(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return err
	}
	result := w.run(ctx, pool)
	return errors.Join(json.NewEncoder(out).Encode(result), done())
}

// open makes the pool that is measured, and what closes it.
func (w work) open(ctx context.Context) (*pgxpool.Pool, func() error, error) {
	if w.pool == weir {
		c := gateway.DefaultConfig()
		c.Upstream, c.Pool.Max, c.Pool.StatementTimeout = w.url, w.size, 0
		g, err := gateway.Open(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		return g.Pool(), func() error { return g.Shutdown(ctx) }, nil
	}
	c, err := pgxpool.ParseConfig(w.url)
	if err != nil {
		return nil, nil, err
	}
	c.MaxConns = int32(w.size)
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	return pool, func() error { pool.Close(); return nil }, nil
}

// run has the goroutines ask until time is up.
func (w work) run(ctx context.Context, pool *pgxpool.Pool) worked {
	begin := time.Now().Add(warmUp)
	end := begin.Add(time.Duration(w.seconds) * time.Second)
	var mu sync.Mutex
	var sum worked
	var group sync.WaitGroup
	for range w.goroutines {
		group.Go(func() {
			own := ask(ctx, pool, begin, end)
			mu.Lock()
			defer mu.Unlock()
			sum.Done += own.Done
			sum.Failed += own.Failed
			sum.Times = append(sum.Times, own.Times...)
			if sum.Error == "" {
				sum.Error = own.Error
			}
		})
	}
	time.Sleep(time.Until(begin))
	spent := ownTime()
	group.Wait()
	sum.CPU = ownTime() - spent
	slices.Sort(sum.Times)
	return sum
}

// ask is one goroutine: one row after the other, each until it is there.
func ask(ctx context.Context, pool *pgxpool.Pool, begin, end time.Time) (sum worked) {
	for {
		began := time.Now()
		aid, got := rand.IntN(accounts)+1, 0
		for got != aid {
			err := pool.QueryRow(ctx, "select aid from pgbench_accounts where aid = $1", aid).Scan(&got)
			now := time.Now()
			switch counts := now.After(begin); {
			case now.After(end):
				return sum
			case err == nil && counts:
				sum.Done++
				if sum.Done%16 == 0 {
					sum.Times = append(sum.Times, now.Sub(began).Microseconds())
				}
			case err != nil:
				if counts {
					sum.Failed, sum.Error = sum.Failed+1, err.Error()
				}
				time.Sleep(failedPause)
			}
		}
	}
}

// ownTime is the processor time that this process has taken.
func ownTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
