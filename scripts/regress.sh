#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Runs PostgreSQL's own regression and isolation tests through weir, with other
# clients beside, and compares what fails with integration/suites/known. POOLS and
# FORMS choose: by default pools of 40, 8 and 3 connections, and statements as simple
# queries, as unnamed and as named prepared statements. The source is that of
# WEIR_PG_SOURCE, or Debian's source package.
set -euo pipefail
cd "$(dirname "$0")/../integration"

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/suites" ./suites

failed=0
for form in ${FORMS:-simple unnamed named}; do
	for pool in ${POOLS:-40 8 3}; do
		for suite in isolation regress; do
			echo "== $suite, $form, a pool of $pool ($(date -u +%H:%M:%S))"
			"$bin/suites" -suite "$suite" -mode transaction -form "$form" -pool "$pool" -beside "${BESIDE:-2}" || failed=$((failed + 1))
		done
	done
done
if [ "$failed" -gt 0 ]; then
	echo "regress: $failed runs have failed" >&2
	exit 1
fi
