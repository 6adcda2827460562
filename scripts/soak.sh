#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0

# Looks for breaches of weir's promises for a time, such as 30m: made-up scripts and
# made-up pipelines against twins on PostgreSQL itself, with an audit of each
# connection that changes hands, in turns of at most a minute. Each turn prints its
# seed; what fails prints how to do it again. SEED repeats a whole soak.
set -euo pipefail
cd "$(dirname "$0")/.."

# machines prints a line for each: a module, a package, its tests, and their flags, in
# which SPAN stands for seconds and SEED for the seed.
machines() {
	echo "integration ./state ^TestRandomScripts\$ -time=SPANs -seed=SEED"
	echo "integration ./pipeline ^TestRandomPipelines\$ -time=SPANs -seed=SEED"
	echo ". . ^TestALossAtEveryBoundary\$ -loss.time=SPANs -loss.seed=SEED"
}

# seconds reads 90, 90s, 30m or 2h.
seconds() {
	local n=${1%[smh]}
	case $1 in
	*m) echo $((n * 60)) ;;
	*h) echo $((n * 3600)) ;;
	*) echo "$n" ;;
	esac
}

total=$(seconds "${1:?usage: soak.sh TIME}")
seed=${SEED:-$RANDOM$RANDOM}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
echo "soak for $total s, SEED=$seed"

mapfile -t list < <(machines)
for i in "${!list[@]}"; do
	read -r module package _ <<<"${list[i]}"
	go -C "$module" test -c -o "$bin/$i.test" "$package"
done

failed=0
end=$((SECONDS + total))
for ((turn = 0; SECONDS < end || turn == 0; turn++)); do
	for i in "${!list[@]}"; do
		read -r module package tests flags <<<"${list[i]}"
		left=$(((end - SECONDS) / (${#list[@]} - i)))
		span=$((left < 60 ? left : 60))
		[ "$span" -gt 0 ] || continue
		at=$((seed + turn * 1000000))
		echo "== $package for $span s, -seed=$at ($(date -u +%H:%M:%S))"
		flags=${flags//SPAN/$span}
		read -ra flags <<<"${flags//SEED/$at}"
		(cd "$module/$package" && "$bin/$i.test" -test.run "$tests" -test.timeout 20m "${flags[@]}") || failed=$((failed + 1))
	done
done
if [ "$failed" -gt 0 ]; then
	echo "soak: $failed turns have failed, SEED=$seed" >&2
	exit 1
fi
echo "soak: nothing found"
