#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Runs every fuzz target for so many executions, such as 10000x, or for a time,
# such as 2m. A crasher is kept in the package's testdata/fuzz, to be fixed and
# committed. CI counts executions: a target that is stopped by time now and then
# fails with "context deadline exceeded" alone (golang.org/issue/75804).
set -euo pipefail

# targets prints file:func for each fuzz target of the module.
targets() {
	go list -f '{{range .TestGoFiles}}{{$.Dir}}/{{.}}
{{end}}{{range .XTestGoFiles}}{{$.Dir}}/{{.}}
{{end}}' ./... | xargs grep -oHE '^func Fuzz[A-Za-z0-9_]+' | sort
}

time=${1:?usage: fuzz.sh TIME|COUNTx}
count=0
while IFS=: read -r file func; do
	name=${func#func }
	package=.${file#"$PWD"}
	package=${package%/*}
	echo "fuzz $package $name for $time"
	go test -run '^$' -fuzz "^${name}\$" -fuzztime "$time" "$package"
	count=$((count + 1))
done < <(targets)

if [ "$count" = 0 ]; then
	echo "fuzz: there are no fuzz targets, although every decoder should have one" >&2
	exit 1
fi
echo "fuzzed $count targets"
