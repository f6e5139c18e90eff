#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Process 1 of both VMs on their overlay root: mounts, names, the role's network, then the command
# server for ever.
. /lab.conf
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C

mount_all() {
  mkdir -p /dev/pts /dev/shm /run /share
  mount -t devpts devpts /dev/pts
  mount -t tmpfs shm /dev/shm
  mount -t tmpfs run /run
  mount -t tracefs tracefs /sys/kernel/tracing
  mount -t debugfs debugfs /sys/kernel/debug
  mount -t bpf bpf /sys/fs/bpf
  # cache=none: these files are written on one side and read on the other.
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none share /share
  mkdir -p "/lib/modules/$(uname -r)"
  mount --bind "$LAB_MODULES" "/lib/modules/$(uname -r)"
  ln -sfn /proc/self/fd /dev/fd
}

name_machine() {
  hostname "$LAB_HOSTNAME"
  echo "$LAB_MACHINE_ID" > /etc/machine-id
  ip link set lo up
  ulimit -l unlimited
}

# Addresses here never need ARP or IPv6: nothing may move on the queues except what a test sends.
# quiet_link DEV OWN-MAC OWN-ADDRESS PEER-MAC PEER-ADDRESS
quiet_link() {
  echo 1 > "/proc/sys/net/ipv6/conf/$1/disable_ipv6"
  ip link set "$1" address "$2"
  ip address add "$3/24" dev "$1"
  ip link set "$1" up
  ip neighbour replace "$5" lladdr "$4" dev "$1" nud permanent
}

mount_all
name_machine
. "$LAB_VM_DIR/$LAB_ROLE.sh"
. "$LAB_VM_DIR/server.sh"
