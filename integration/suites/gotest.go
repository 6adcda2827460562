// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// fetchModule gets a Go module, its tests included, from the module proxy and
// copies it to dir, where go test may write.
func fetchModule(ctx context.Context, dir, path, version string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", path+"@"+version)
	cmd.Dir = dir // outside of any module, so that none is changed
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if e := json.Unmarshal(out, &module); e != nil || module.Error != "" {
		return "", fmt.Errorf("fetch %s %s: %w: %s", path, version, errors.Join(err, e), module.Error)
	}
	source := filepath.Join(dir, "source")
	if err := os.CopyFS(source, os.DirFS(module.Dir)); err != nil {
		return "", err
	}
	return source, filepath.Walk(source, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, info.Mode()|0o200) // the module cache is read-only
	})
}

// tries bounds how often a test that fails is run again. The suites have tests
// that allow for 100 ms and are not made for two busy cores; one that panics
// takes all others of its package with it.
const tries = 2

// What fails may take long: a test of pgx polls for 120 s until it gives up.
const (
	packageTimeout = "-timeout=4m"
	testTimeout    = "-timeout=150s"
)

// goTest runs all tests of the module in dir, one package after another, and
// again what failed.
func goTest(ctx context.Context, o options, dir string, environ []string) ([]result, error) {
	t := &goTests{ctx: ctx, dir: dir, environ: append(withoutSettings(os.Environ()), environ...), log: io.Discard}
	if o.log != "" {
		log, err := os.Create(filepath.Join(o.log, o.suite+"-"+string(o.mode)+".log"))
		if err != nil {
			return nil, err
		}
		defer log.Close()
		t.log = log
	}
	results, err := t.all(o.only)
	if err != nil {
		return nil, err
	}
	for range tries - 1 {
		for pkg, names := range failedTests(results) {
			again, err := t.run(testTimeout, "-run="+anyOf(names), pkg)
			if err != nil {
				return nil, err
			}
			results = replace(results, again.list())
		}
	}
	return results, nil
}

// goTests runs go test.
type goTests struct {
	ctx     context.Context
	dir     string
	environ []string
	log     io.Writer
}

// all runs the tests of all packages. A test that hangs, or panics, ends those
// of its package, which then run again without it.
func (t *goTests) all(only string) ([]result, error) {
	first, err := t.run(packageTimeout, "-run="+only, "./...")
	if err != nil {
		return nil, err
	}
	results := first.list()
	for pkg, culprits := range first.culprits {
		for len(culprits) > 0 {
			next, err := t.run(packageTimeout, "-run="+only, "-skip="+anyOf(culprits), pkg)
			if err != nil {
				return nil, err
			}
			results = replace(results, next.list())
			if len(next.culprits[pkg]) == 0 {
				break
			}
			culprits = append(culprits, next.culprits[pkg]...)
		}
	}
	return results, nil
}

// anyOf is a regular expression that matches exactly these tests.
func anyOf(names []string) string { return "^(" + strings.Join(names, "|") + ")$" }

// run runs go test with more arguments.
func (t *goTests) run(args ...string) (*tests, error) {
	cmd := exec.CommandContext(t.ctx, "go", append([]string{"test", "-json", "-count=1", "-p=1"}, args...)...)
	cmd.Dir, cmd.Env = t.dir, t.environ
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, t.log), &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	results, err := readTests(&out)
	if err == nil && len(results.order) == 0 && exit != nil {
		err = fmt.Errorf("go test in %s ran no tests: %s", t.dir, stderr.Bytes())
	}
	return results, err
}

// failedTests returns, by package, the tests that failed or whose subtests did.
func failedTests(results []result) map[string][]string {
	names := map[string][]string{}
	for _, r := range results {
		if top := r.top(); r.outcome == failed && top != "" && !slices.Contains(names[r.pkg], top) {
			names[r.pkg] = append(names[r.pkg], top)
		}
	}
	return names
}

// replace puts the results of tests that were run again in the place of those
// from before, and marks them where they differ in nothing but luck.
func replace(results, again []result) []result {
	fresh := map[string]bool{}
	for _, r := range again {
		fresh[r.pkg+"."+r.top()] = true
	}
	before := map[string]outcome{}
	results = slices.DeleteFunc(results, func(r result) bool {
		before[r.name] = r.outcome
		return fresh[r.pkg+"."+r.top()]
	})
	for _, r := range again {
		r.shaky = r.outcome == passed && before[r.name] == failed
		results = append(results, r)
	}
	return results
}

// event is a line of go test -json (cmd/test2json).
type event struct {
	Action, Package, Test, Output string
}

// tests are the tests that go test reports, as they come in.
type tests struct {
	order  []string
	result map[string]*result
	output map[string]*strings.Builder
	parent map[string]bool // has subtests
	child  map[string]bool // has subtests of which one failed

	// culprits are, by package, the tests that failed or still ran when the
	// tests of a package ended before their time; nil for other packages.
	culprits map[string][]string
}

// readTests reads what go test -json writes. A test with subtests counts only
// where it failed and none of them did. A test without an outcome, as after a
// panic, has failed; so has a package that failed without any of its tests.
func readTests(r io.Reader) (*tests, error) {
	t := &tests{result: map[string]*result{}, output: map[string]*strings.Builder{}, parent: map[string]bool{}, child: map[string]bool{}, culprits: map[string][]string{}}
	panics := map[string]bool{} // packages
	d := json.NewDecoder(r)
	for {
		var e event
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			t.blame(panics)
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("output of go test: %w", err)
		}
		if strings.HasPrefix(e.Output, "panic: ") && !strings.HasPrefix(e.Output, "panic: test timed out") {
			panics[e.Package] = true
		}
		if m := running.FindStringSubmatch(e.Output); m != nil {
			t.culprits[e.Package] = append(t.culprits[e.Package], m[1])
		}
		t.add(e)
	}
}

// running is a line of the list of tests that a time-out prints.
var running = regexp.MustCompile(`^\t\t(Test\w+)\S* \(\S+\)\n$`)

// blame adds the tests that failed in packages in which one panicked.
func (t *tests) blame(panics map[string]bool) {
	for _, name := range t.order {
		r := t.result[name]
		if panics[r.pkg] && r.ended && r.outcome == failed && !slices.Contains(t.culprits[r.pkg], r.top()) {
			t.culprits[r.pkg] = append(t.culprits[r.pkg], r.top())
		}
	}
}

func (t *tests) add(e event) {
	name := e.Package
	if e.Test != "" {
		name += "." + e.Test
	}
	switch e.Action {
	case "run":
		t.order = append(t.order, name)
		t.result[name] = &result{name: name, pkg: e.Package, test: e.Test, outcome: failed}
		t.output[name] = &strings.Builder{}
		if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
			t.parent[e.Package+"."+e.Test[:i]] = true
		}
	case "output":
		if b := t.output[name]; b != nil {
			b.WriteString(e.Output)
		}
	case string(passed), string(skipped), string(failed):
		t.end(e, name)
	}
}

// end takes in an outcome, of a test or of a package.
func (t *tests) end(e event, name string) {
	if e.Test == "" {
		if e.Action == string(failed) && !t.anyFailed(e.Package) {
			t.order = append(t.order, name)
			t.result[name] = &result{name: name, pkg: e.Package, outcome: failed}
		}
		return
	}
	t.result[name].outcome, t.result[name].ended = outcome(e.Action), true
}

// anyFailed reports whether a test of the package has failed so far.
func (t *tests) anyFailed(pkg string) bool {
	for name, r := range t.result {
		if r.outcome == failed && strings.HasPrefix(name, pkg+".") {
			return true
		}
	}
	return false
}

// list returns the results in the order in which the tests began.
func (t *tests) list() []result {
	for _, name := range t.order {
		if i := strings.LastIndexByte(name, '/'); t.result[name].outcome == failed && i >= 0 {
			t.child[name[:i]] = true
		}
	}
	var list []result
	for _, name := range t.order {
		r := t.result[name]
		if t.parent[name] && (r.outcome != failed || t.child[name]) {
			continue
		}
		if b := t.output[name]; b != nil && r.outcome == failed {
			r.output = b.String()
		}
		list = append(list, *r)
	}
	return list
}
