// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weir-pg/weir/internal/pgserver"
)

// nextExample builds and starts examples/nextjs-prisma before weir, as its
// README says, and reads its page and its health. It uses the build of
// clients/typescript.
func nextExample(t *testing.T) {
	p := newPrisma(t)
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2")
	ctx, stop := context.WithTimeout(t.Context(), 5*patience)
	defer stop()
	var err error
	if p.dir, err = filepath.Abs(filepath.Join("..", "examples", "nextjs-prisma")); err != nil {
		t.Fatal(err)
	}
	if err := npmInstall(ctx, p.dir); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"generate"}, {"db", "push"}} {
		if _, err := p.cli(ctx, w.url, args...); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := nextCommand(ctx, p, w, "build").CombinedOutput(); err != nil {
		t.Fatalf("next build: %v\n%s", err, out)
	}
	base := startNext(ctx, t, p, w)
	if page := get(t, base+"/"); !strings.Contains(page, "notes</h1>") {
		t.Errorf("the page has no notes: %.2000s", page)
	}
	await(t, "the health route has weir's numbers of the role", func() error { return healthy(get(t, base+"/api/health"), g.role) })
}

// nextCommand is Next.js in the example's folder.
func nextCommand(ctx context.Context, p prisma, w *gateway, args ...string) *exec.Cmd {
	cmd := p.command(ctx, w.url, "node_modules/next/dist/bin/next", args...)
	cmd.Env = append(cmd.Env, "NEXT_TELEMETRY_DISABLED=1", "WEIR_HTTP_URL="+strings.TrimSuffix(w.status, "/api/v1/status"))
	return cmd
}

// startNext serves what was built until the test is over, and then ends it as
// a platform would.
func startNext(ctx context.Context, t *testing.T, p prisma, w *gateway) (base string) {
	t.Helper()
	port, err := pgserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	base = fmt.Sprintf("http://127.0.0.1:%d", port)
	cmd := nextCommand(ctx, p, w, "start", "--hostname", "127.0.0.1", "--port", fmt.Sprint(port))
	log := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it says how it ended, and log says why
		if t.Failed() {
			t.Logf("next start:\n%s", log)
		}
	})
	await(t, "Next.js answers", func() error {
		res, err := http.Get(base + "/api/health")
		if err == nil {
			res.Body.Close()
		}
		return err
	})
	return base
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", url, res.Status, body)
	}
	return string(body)
}

// healthy says what an answer of the health route lacks.
func healthy(body, role string) error {
	var health struct {
		OK      bool
		Max     int
		Gateway *struct{ Role string }
	}
	if err := json.Unmarshal([]byte(body), &health); err != nil {
		return err
	}
	if !health.OK || health.Max != 10 || health.Gateway == nil || health.Gateway.Role != role {
		return fmt.Errorf("health: %s", body)
	}
	return nil
}
