# SPDX-License-Identifier: Apache-2.0
# The command server (sourced by main.sh): one request per line on a virtio-serial port, each run in
# parallel.
#   request  ID [SCRIPT]            without a script: just answer, a sign of life
#   answer   ID EXIT-CODE [OUTPUT]
# In SCRIPT and OUTPUT a newline is \n and a backslash is \\. No program is started on the way there
# and back: one costs up to 0.3 s in the guest VM. Large or binary output goes through /share.
. "$LAB_VM_DIR/port.sh"

# nap SECONDS: sleep without starting a process.
nap() { read -r -t "$1" <> /run/lab/nap; return 0; }
export -f nap

# wait_for SECONDS CONDITION...: true as soon as the shell condition holds, false after SECONDS.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until eval "$@"; do
    [ $SECONDS -lt $end ] || return 1
    nap 0.1
  done
}
export -f wait_for

serve() {
  local script code output
  printf -v script '%b' "$2"
  ( eval "$script" ) < /dev/null > "/run/lab/$1.out" 2>&1 3<&-
  code=$?
  output=$(< "/run/lab/$1.out")
  output=${output//\\/\\\\}
  # One write of one line at a time.
  { flock 9; printf '%s\n' "$1 $code ${output//$'\n'/\\n}" >&3; } 9> /run/lab/lock
  rm -f "/run/lab/$1.out"
}

mkdir -p /run/lab
mkfifo /run/lab/nap
exec 3<> "$(port_device ringside.lab)"
read -r uptime _ < /proc/uptime
echo "0 0 $(uname -r) up $uptime s" >&3
while :; do
  while IFS=' ' read -r -u 3 id body; do
    if [ -z "$body" ]; then
      { flock 9; echo "$id 0" >&3; } 9> /run/lab/lock
    else
      serve "$id" "$body" &
    fi
  done
  nap 0.2  # the runner is gone or the port had a hiccup: process 1 must not end
done
