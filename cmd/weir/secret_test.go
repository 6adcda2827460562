// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-pg/weir"
)

// pieces are what the passwords of TestNoPieceOfAPasswordIsShown are made of.
var pieces = []string{"correct", "horse", "battery", "staple"}

// passwords are URLs whose password somebody has not encoded or quoted. read says
// that libpq, and so weir, reads them as they were meant.
var passwords = []struct {
	url  string
	read bool
}{
	{url: "postgres://app:correct@horse@battery@127.0.0.1:1/app"},
	{url: "postgres://app:correct#horse@battery@127.0.0.1:1/app"},
	{url: "postgres://app:correct?horse@battery@127.0.0.1:1/app"},
	{url: "postgres://app:correct:horse@battery@127.0.0.1:1/app"},
	{url: "postgres://app:correct/horse@127.0.0.1:1/app"},
	{url: "postgres://app:12/horse@127.0.0.1:1/app"},
	{url: "postgres://app:12/horse?battery=staple@127.0.0.1:1/app"},
	{url: "postgres://app:correct@horse/battery@127.0.0.1:1/app"},
	{url: "postgres://app:correct@horse?battery=staple@127.0.0.1:1/app"},
	{url: "postgres://app:correct@horse,battery:staple@127.0.0.1:1/app"},
	{url: "postgres://app:correct@horse battery@127.0.0.1:1/app"},
	{url: "postgres://app:cor%rect@127.0.0.1:1/app"},
	{url: "postgres://app:correct horse@127.0.0.1:1/app"},
	{url: "postgres://app:correct@[horse]@127.0.0.1:1/app"},
	{url: "postgres://127.0.0.1?password=correct&user=me@horse"},
	{url: "postgres://app@127.0.0.1:1/app?password=correct&horse=battery"},
	{url: "postgres://app@127.0.0.1:1/app?password=correct=horse"},
	{url: "postgres://app:correct"},
	{url: "postgres://app:correct@127.0.0.1:horse/app"},
	{url: "postgres:/app:correct=horse@127.0.0.1:1/app"},
	{url: "app:correct=horse@127.0.0.1:1/app"},
	{url: "\"postgres://app:correct@127.0.0.1:1/app\""},
	{url: "host=127.0.0.1 port=1 user=app password=correct horse"},
	{url: "host=127.0.0.1 port=1 user=app password=correct horse=battery"},
	{url: "host=127.0.0.1 port=1 password=correct horse=battery user=app"},
	{url: "host=127.0.0.1 port=1 user=app password='correct'horse=battery'"},
	{url: "host=127.0.0.1 port=1 user=app password='correct"},
	{url: "host=correct@horse user=app"},
	{url: "postgres://app:correct@127.0.0.1:1/app&password=battery"},
	{url: "postgres://127.0.0.1:1/app&password=battery?user=app"},
	{url: "host=127.0.0.1 port=1 user=app pasword=correct dbname=app", read: true},
	{url: "postgres://app@127.0.0.1:1/app?pasword=correct&psw=horse", read: true},
	{url: "postgres://app:correct%40horse@127.0.0.1:1,127.0.0.1:2/app", read: true},
	{url: "postgres://app:correct:horse#battery?staple@127.0.0.1:1/app", read: true},
	{url: "postgres://127.0.0.1:1/app?user=app&password=correct%26horse%3Dbattery", read: true},
	{url: "host=127.0.0.1 port=1 user=app password='correct horse=battery'", read: true},
	{url: "postgres://app:correct@127.0.0.1:1/app?app.api_token=battery&sslpassword=horse", read: true},
}

// outputs is all that a weir with a connection string shows: of `weir config`, of
// Open, of a `weir run`, and its pages.
func outputs(t *testing.T, url string) (text string, started bool) {
	t.Helper()
	var all strings.Builder
	for _, args := range [][]string{{"config"}, {"config", "--format", "json"}} {
		out, errs, _ := inside(t, []string{"DATABASE_URL=" + url}, args...)
		all.WriteString(out + errs)
	}
	if g, err := weir.Open(t.Context(), weir.Config{Upstream: url}); err != nil {
		for ; err != nil; err = errors.Unwrap(err) {
			all.WriteString(err.Error() + "\n")
		}
	} else {
		_ = g.Close()
	}
	p := start(t, []string{"DATABASE_URL=" + url}, "run", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--shutdown-pause", "0", "--log-level", "debug", "--pool-acquire-timeout", "10ms")
	until(t, "weir to start or to refuse", func() bool {
		return p.ended() || strings.Contains(p.output.String(), `serving HTTP`)
	})
	if started = !p.ended(); started {
		http := p.wait(t, `(http://[0-9.:]+)`)
		for _, path := range []string{"/readyz", "/metrics", "/api/v1/status", "/", "/healthz"} {
			_, body := page(http + path)
			all.WriteString(body)
		}
		p.signal(t, syscall.SIGTERM)
		p.status(t)
	}
	return all.String() + p.output.String(), started
}

func TestNoPieceOfAPasswordIsShown(t *testing.T) {
	t.Parallel()
	for _, tt := range passwords {
		t.Run(tt.url, func(t *testing.T) {
			t.Parallel()
			text, started := outputs(t, tt.url)
			for _, piece := range pieces {
				if i := strings.Index(text, piece); i >= 0 {
					t.Errorf("%s is shown: …%s…", piece, text[max(0, i-80):min(len(text), i+80)])
				}
			}
			if started != tt.read {
				t.Errorf("weir started: %v, want %v", started, tt.read)
			}
		})
	}
}

// TestTheCommandLineIsNotRepeated gives weir a URL where it expects none.
func TestTheCommandLineIsNotRepeated(t *testing.T) {
	t.Parallel()
	const url = "postgres://app:correct@127.0.0.1:1/app"
	for _, args := range [][]string{
		{url},
		{"-upstream=" + url},
		{"--upstreem=" + url},
		{"run", url},
		{"config", "-upstream=" + url},
		{"run", "--listen=" + url},
		{"run", "--http", url},
		{"run", "--upstreem=" + url},
		{"config", "--log-level=" + url},
		{"run", "--config=" + url},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			out, errs, status := inside(t, []string{}, args...)
			if strings.Contains(out+errs, "correct") {
				t.Errorf("the password is shown:\n%s%s", out, errs)
			}
			if status == 0 && args[0] != "config" {
				t.Error("weir accepts it")
			}
		})
	}
}
