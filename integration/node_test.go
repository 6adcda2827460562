// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// installed brings node-postgres, once, if it is not there yet.
var installed = sync.OnceValue(func() error {
	ctx, stop := context.WithTimeout(context.Background(), 3*patience)
	defer stop()
	return npmInstall(ctx, "node")
})

// npmInstall brings what a folder's package-lock.json lists, unless it is
// there: npm writes a file of its own last.
func npmInstall(ctx context.Context, folder string, options ...string) error {
	want, err := os.Stat(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		return err
	}
	done, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json"))
	if err == nil && done.ModTime().After(want.ModTime()) {
		return nil
	}
	args := []string{"ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=5"}
	_, err = output(ctx, "", nil, "npm", append(args, options...)...)
	return err
}

// node runs node/clients.mjs, which says what its arguments mean.
func node(ctx context.Context, t testing.TB, url string, args ...string) (string, error) {
	t.Helper()
	testpg.Installed(t, "node")
	if err := installed(); err != nil {
		t.Fatal(err)
	}
	return output(ctx, "", []string{"URL=" + url}, "node", append([]string{"node/clients.mjs"}, args...)...)
}

func TestNodePostgresSeesTheSame(t *testing.T) {
	t.Parallel()
	g := fresh(t, "")
	w := open(t, g.url, "DATABASE_POOL_MAX=2")
	want, err := node(within(t), t, g.url, "compare")
	if err != nil {
		t.Fatal(err)
	}
	strangers(t, w.url)
	got, err := node(within(t), t, w.url, "compare")
	if err != nil {
		t.Fatal(err)
	}
	sameLines(t, got, want)
}

// nodeCrowd runs clients in one Node process, each with some transactions on
// its counter.
func nodeCrowd(ctx context.Context, t testing.TB, url string, clients, transactions int) error {
	_, err := node(ctx, t, url, "crowd", strconv.Itoa(clients), strconv.Itoa(transactions))
	return err
}
