#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs in the host VM: starts the guest VM in the background; its pid is in /run/guest.pid.
. /lab.conf
. "$LAB_VM_DIR/port.sh"

append="quiet loglevel=4 panic=-1 net.ifnames=0 mitigations=off nokaslr random.trust_cpu=on"
append+=" audit=0 selinux=0 apparmor=0 nowatchdog rcupdate.rcu_expedited=1 $LAB_GUEST_APPEND"
if [ "$(uname -m)" = aarch64 ]; then
  qemu=(qemu-system-aarch64 -M virt,gic-version=3)
  append+=" console=ttyAMA0"
else
  qemu=(qemu-system-x86_64 -M q35)
  append+=" console=ttyS0 no_timer_check"
fi

args=(
  -name "$LAB_VM_NAME" -uuid "$LAB_VM_UUID"
  -accel kvm -cpu host -smp 2 -m 1536M
  -display none -nodefaults -serial file:/share/guest.console
  -no-reboot -no-shutdown  # a guest that goes without a word stays, to be looked at
  -kernel "$LAB_KERNEL" -initrd "$LAB_GUEST_INITRD" -append "$append"
  # The agent's own way to the collector.
  -netdev tap,id=net1,ifname=tap1,script=no,downscript=no,vhost=on
  -device "virtio-net-pci,netdev=net1,addr=5,mac=$LAB_ETH1_MAC,romfile="
  -fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap
  -device virtio-9p-pci,fsdev=root,mount_tag=root,addr=6
  -fsdev local,id=share,path=/share,security_model=none
  -device virtio-9p-pci,fsdev=share,mount_tag=share,addr=7
  # The runner talks to the guest through a port of this VM's own.
  -chardev "pipe,id=lab,path=$(port_device ringside.guest)"
  -device virtio-serial-pci,addr=8 -device virtserialport,chardev=lab,name=ringside.lab
  -pidfile /run/guest.pid
  -monitor unix:/run/guest.monitor,server=on,wait=off  # look_at_guest.py
  -qmp unix:/run/guest.qmp,server=on,wait=off
)
# The measured NIC: a vector per queue, one for configuration, one spare as other VMMs give it.
nic=virtio-net-pci,mq=on,vectors=6,romfile=
if [ -n "$LAB_OVS" ]; then
  # Open vSwitch maps the guest's memory. It takes no packets that are still to be cut or summed.
  nic+=,csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off
  args+=(
    -object memory-backend-memfd,id=memory,size=1536M,share=on -machine memory-backend=memory
    -chardev socket,id=vhu0,path=/run/vhu0.sock,server=on,wait=off
    -netdev vhost-user,id=net0,chardev=vhu0,queues=2
    -device "$nic,netdev=net0,addr=4,mac=$LAB_ETH0_MAC"
    -chardev socket,id=vhu1,path=/run/vhu1.sock,server=on,wait=off
    -netdev vhost-user,id=net2,chardev=vhu1,queues=2
    -device "$nic,netdev=net2,addr=10,mac=$LAB_ETH2_MAC,event_idx=off"
  )
else
  args+=(-netdev tap,id=net0,ifname=tap0,script=no,downscript=no,vhost=on,queues=2
    -device "$nic,netdev=net0,addr=4,mac=$LAB_ETH0_MAC")
fi
if [ -n "$LAB_VSOCK" ]; then
  modprobe vhost_vsock
  args+=(-device vhost-vsock-pci,guest-cid=3,addr=9)
fi
if [ -n "$LAB_PLAIN_NIC" ]; then
  args+=(
    -netdev tap,id=net2,ifname=tap2,script=no,downscript=no,vhost=on
    -device "virtio-net-pci,netdev=net2,addr=10,mac=$LAB_ETH2_MAC,event_idx=off,romfile="
  )
fi
# On one CPU; the runner gives each vCPU its own where there are more.
setsid taskset -c 0 "${qemu[@]}" "${args[@]}" < /dev/null > /share/guest-qemu.log 2>&1 &
