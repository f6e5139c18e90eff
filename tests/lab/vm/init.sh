#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# First process of both VMs: puts a tmpfs over this machine's own / (9p, read-only) and goes on in
# main.sh there.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
. /lab.conf

for module in $(cat /modules.order); do
  insmod "$module" || echo "lab: insmod $module failed" > /dev/console
done

die() {
  echo "lab: $1" > /dev/console
  sleep 1
  poweroff -f
}

# cache=loose: the tree below does not change meanwhile, and every lookup through two emulations
# costs.
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro root /lower ||
  die "no root over 9p"
mount -t tmpfs upper /upper
mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /new ||
  die "no overlay"
for dir in proc sys dev; do mount --move "/$dir" "/new/$dir"; done
cp /lab.conf /new/lab.conf
exec switch_root /new /bin/bash "$LAB_VM_DIR/main.sh"
