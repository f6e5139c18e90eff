# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What install-deps, quickstart and tests/run share. Sourced, never run.

# A script that another one starts goes on with its seconds.
SECONDS=${RINGSIDE_SECONDS:-0}

# One line per step, with the seconds since the script started.
say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

# fail CODE MESSAGE: the one line that says what happened, why, and what to do.
fail() {
  local code=$1
  shift
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit "$code"
}

# The comment block at the top of the script is its manual.
print_manual() { awk '/^$/ { exit } NR > 3 { sub(/^# ?/, ""); print }' "$0"; }

# On a terminal, ninja's [n/m] in place of minutes of silence; elsewhere nothing.
show_ninja_progress() {
  local line
  while IFS= read -r line; do
    if [[ -t 1 && $line =~ ^\[[0-9]+/[0-9]+\] ]]; then
      printf '\r        %s\033[K\r' "${BASH_REMATCH[0]}"
    fi
  done
  if [[ -t 1 ]]; then printf '\033[K'; fi
}

# logged LOG COMMAND...: all output to LOG; status of COMMAND.
logged() {
  local log=$1
  shift
  mkdir -p "$(dirname -- "$log")"
  "$@" 2>&1 </dev/null | tee "$log" | show_ninja_progress
}

# fail_with_tail CODE LOG MESSAGE: the end of the log first, so that the message is read last.
fail_with_tail() {
  local code=$1 log=$2
  shift 2
  printf -- '--- last lines of %s ---\n' "$log" >&2
  tail -n 30 "$log" >&2
  printf -- '---\n' >&2
  fail "$code" "$@"
}

# One compiler per CPU, as long as there is memory: a file that includes gRPC takes about 1 GiB.
build_jobs() {
  local cpus gib
  cpus=$(nproc)
  gib=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
  if ((gib < 1)); then gib=1; fi
  echo $((cpus < gib ? cpus : gib))
}

# configure_build SOURCE DIR LOG CMAKE_ARGUMENTS...
configure_build() {
  local source=$1 dir=$2 log=$3
  shift 3
  logged "$log" cmake -S "$source" -B "$dir" -G Ninja "$@"
}
