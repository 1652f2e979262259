#!/usr/bin/env bash
# Runs conformance cases against the kernel's own HMM test device in a guest; see README.md beside this file.
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
: "${VMLAB:=$repo/../shared/vmlab}"
: "${LAB:=/tmp/vmlab}"
export LAB
[ -x "$VMLAB/vm.sh" ] || { echo "skipped: the lab is not here ($VMLAB)"; exit 0; }
[ -f "$LAB/labk/vmlinux" ] || { echo "skipped: the lab has no kernel yet: run $VMLAB/setup.sh deb lab"; exit 0; }
[ $# -gt 0 ] || set -- test/cases

mapfile -t todo < <(cd "$repo" && find "$@" -name '*.yaml' | sort)
failed=0
while [ ${#todo[@]} -gt 0 ]; do
  payload=$(mktemp)
  { printf 'REPO=%q CASES=%q\n' "/host$repo" "${todo[*]}"; cat "$repo/test/lab/conform-kernel.sh"; } > "$payload"
  log=$("$VMLAB/vm.sh" -K lab -p hmat -t "${LIMIT:-280}" -a 'memmap=512M$0x30000000' "$payload" 2>/dev/null || true)
  rm -f "$payload"
  lines=$(grep -aE '^(passed|failed|skipped) ' <<< "$log" || true)
  [ -z "$lines" ] || echo "$lines"
  if grep -qa '^failed ' <<< "$lines"; then failed=1; fi
  if grep -qaE '^[0-9]+ passed, ' <<< "$log"; then break; fi
  done_count=$(grep -c . <<< "$lines" || true)
  echo "crashed  ${todo[$done_count]:-the guest did not start}"
  todo=("${todo[@]:$((done_count + 1))}")
done
exit "$failed"
