// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTypeScriptPackage runs the tests of clients/typescript before a weir of
// five connections, whose queue a request leaves after five seconds.
func TestTypeScriptPackage(t *testing.T) {
	t.Parallel()
	node := newPrisma(t).node // Prisma is the package's reason, and says which Node it needs
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=5", "DATABASE_POOL_ACQUIRE_TIMEOUT=5000")
	ctx, stop := context.WithTimeout(t.Context(), 5*patience)
	defer stop()
	folder := filepath.Join("..", "clients", "typescript")
	if err := npmInstall(ctx, folder); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, node, "scripts/test.mjs")
	cmd.Dir = folder
	cmd.Env = append(environment(), "NO_COLOR=1", "TEST_POSTGRES_URL="+g.url, "TEST_WEIR_URL="+w.url,
		"TEST_WEIR_HTTP_URL="+strings.TrimSuffix(w.status, "/api/v1/status"))
	cmd.WaitDelay = 5 * time.Second // for the processes that it started
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, failures(string(out)))
	}
	t.Log(totals(string(out)))
	t.Run("the example", nextExample)
}

// failures is the part of the test runner's report that matters when tests fail.
func failures(report string) string {
	if i := strings.Index(report, "✖ failing tests:"); i >= 0 {
		return report[i:]
	}
	return report
}

// totals is how many tests ran, and how many of them were skipped.
func totals(report string) string {
	var lines []string
	for line := range strings.Lines(report) {
		if what, found := strings.CutPrefix(line, "ℹ "); found {
			lines = append(lines, strings.TrimSpace(what))
		}
	}
	return strings.Join(lines, ", ")
}
