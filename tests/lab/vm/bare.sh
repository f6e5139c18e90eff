#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# First process of a guest VM whose root holds busybox, this script and the program under test, and
# nothing else: no C library, no loader, no /etc. A command server like server.sh, in busybox's sh.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
. /lab.conf
for module in $(cat /modules.order); do
  insmod "$module" || echo "lab: insmod $module failed" > /dev/console
done
hostname "$LAB_HOSTNAME"

echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6
ifconfig lo up
ifconfig eth0 hw ether "$LAB_ETH0_MAC" "$LAB_GUEST_IP" netmask 255.255.255.0 up
arp -s "$LAB_HOST_IP" "$LAB_TAP0_MAC"

serve() {
  script=$(printf '%b' "$2")
  output=$(eval "$script" 2>&1 < /dev/null)
  code=$?
  output=$(printf '%s' "$output" | sed -e 's/\\/\\\\/g' | sed -e ':a;N;$!ba;s/\n/\\n/g')
  printf '%s\n' "$1 $code $output" >&3
}

port=$(grep -l ringside.lab /sys/class/virtio-ports/*/name)
port=${port%/name}
exec 3<> "/dev/${port##*/}"
echo "0 0 $(uname -r) with nothing but busybox" >&3
while :; do
  while read -r -u 3 id body; do
    if [ -z "$body" ]; then echo "$id 0" >&3; else serve "$id" "$body" & fi
  done
  sleep 0.2
done
