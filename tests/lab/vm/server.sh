# SPDX-License-Identifier: Apache-2.0
# The command server (sourced by main.sh): one request per line on a virtio-serial port, each run in parallel.
#   request  ID [BASE64-OF-SCRIPT]      without a script: just answer, a sign of life
#   answer   ID EXIT-CODE [BASE64-OF-OUTPUT]
. "$LAB_VM_DIR/port.sh"

serve() {
  local base=/run/lab/$1 code
  base64 -d <<< "$2" > "$base.sh"
  bash "$base.sh" < /dev/null > "$base.out" 2>&1 3<&-
  code=$?
  {
    flock 9  # one answer at a time: several writes of a long line must not mix
    { printf '%s %s ' "$1" "$code"; base64 -w0 "$base.out"; echo; } >&3
  } 9> /run/lab/lock
  rm -f "$base.sh" "$base.out"
}

mkdir -p /run/lab
exec 3<> "$(port_device ringside.lab)"
echo "0 0 $(base64 -w0 <<< "$(uname -r) up $(cut -d' ' -f1 /proc/uptime) s")" >&3
while :; do
  while IFS=' ' read -r -u 3 id body; do
    if [ -z "$body" ]; then
      { flock 9; echo "$id 0" >&3; } 9> /run/lab/lock
    else
      serve "$id" "$body" &
    fi
  done
  sleep 0.2  # the runner is gone or the port had a hiccup: process 1 must not end
done
