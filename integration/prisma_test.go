// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/weir-pg/weir/internal/testpg"
)

// prisma is a project of Prisma in a folder of its own, with the schema and the
// migrations of integration/prisma, which a test may change.
type prisma struct {
	dir    string
	node   string // path of the program
	engine string // path of schema-engine.mjs
	script string // path of client.mjs
}

// prismaCLI is the command line, as a path in a project.
const prismaCLI = "node_modules/prisma/build/index.js"

// installedPrisma is integration/prisma itself, where Prisma is installed, once
// per change of its lock file, and its client generated.
var installedPrisma = sync.OnceValues(func() (prisma, error) {
	ctx, stop := context.WithTimeout(context.Background(), 5*patience)
	defer stop()
	var without []string
	if _, err := modernNode(ctx); err == nil {
		without = []string{"--omit=optional"} // these are Node itself
	}
	if err := npmInstall(ctx, "prisma", without...); err != nil {
		return prisma{}, err
	}
	node, err := modernNode(ctx)
	if err != nil {
		return prisma{}, err
	}
	dir, err := filepath.Abs("prisma")
	if err != nil {
		return prisma{}, err
	}
	p := prisma{dir: dir, node: node, engine: filepath.Join(dir, "schema-engine.mjs"), script: filepath.Join(dir, "client.mjs")}
	_, err = p.cli(ctx, "", "generate")
	return p, err
})

// modernNode finds a Node that Prisma 7 accepts: the one on PATH, else that of
// npm's packages, because Debian 12 has Node 18.
func modernNode(ctx context.Context) (string, error) {
	packaged, err := filepath.Glob("prisma/node_modules/node-linux-*/bin/node")
	if err != nil {
		return "", err
	}
	var refused error
	for _, path := range append([]string{"node"}, packaged...) {
		if path, err = exec.LookPath(path); err == nil {
			path, err = filepath.Abs(path)
		}
		if err == nil {
			err = acceptNode(ctx, path)
		}
		if err == nil {
			return path, nil
		}
		refused = errors.Join(refused, err)
	}
	return "", refused
}

func acceptNode(ctx context.Context, path string) error {
	version, err := output(ctx, "", nil, path, "--version")
	if err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "v%d.%d", &major, &minor); err != nil {
		return fmt.Errorf("version of %s: %q: %w", path, version, err)
	}
	if major < 20 || major == 20 && minor < 19 {
		return fmt.Errorf("%s is %s, and Prisma needs 20.19 or later", path, strings.TrimSpace(version))
	}
	return nil
}

// newPrisma makes a project.
func newPrisma(t testing.TB) prisma {
	t.Helper()
	testpg.Installed(t, "npm")
	installed, err := installedPrisma()
	if err != nil {
		t.Fatal(err)
	}
	p := installed
	p.dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(p.dir, "prisma"), os.DirFS("prisma/prisma")); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("prisma/prisma.config.mjs")
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(p.dir, "prisma.config.mjs"), string(config)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(installed.dir, "node_modules"), filepath.Join(p.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return p
}

// migration adds a migration to the project.
func (p prisma) migration(t testing.TB, name, sql string) {
	t.Helper()
	dir := filepath.Join(p.dir, "prisma/migrations", name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(filepath.Join(dir, "migration.sql"), sql); err != nil {
		t.Fatal(err)
	}
}

// cli runs Prisma's command line with a URL and returns what it printed.
func (p prisma) cli(ctx context.Context, url string, args ...string) (string, error) {
	cmd := p.command(ctx, url, prismaCLI, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("prisma %s: %w\n%.4000s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// command is a Node process of the project, with those that it starts: the end
// of ctx kills all of them.
func (p prisma) command(ctx context.Context, url, script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.node, append([]string{script}, args...)...)
	cmd.Dir = p.dir
	cmd.Env = append(environment(),
		"DATABASE_URL="+url,
		"PATH="+filepath.Dir(p.node)+string(filepath.ListSeparator)+os.Getenv("PATH"), // for the engine's first line
		"PRISMA_SCHEMA_ENGINE_BINARY="+p.engine,
		"CHECKPOINT_DISABLE=1", "PRISMA_HIDE_UPDATE_MESSAGE=1", "NO_COLOR=1", "NODE_NO_WARNINGS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}
