# SPDX-License-Identifier: Apache-2.0
# Role of the host VM (sourced by main.sh): KVM, vhost-net, both taps, then the guest VM.
kvm=kvm_amd
if [ "$(uname -m)" = aarch64 ]; then kvm=; fi # part of the kernel
for module in $kvm vhost_net tun; do
  modprobe "$module" || echo "lab: modprobe $module failed" > /dev/console
done

if [ -n "$LAB_OVS" ]; then
  . "$LAB_VM_DIR/ovs.sh"
  ovs_up
else
  ip tuntap add dev tap0 mode tap multi_queue
  quiet_link tap0 "$LAB_TAP0_MAC" "$LAB_HOST_IP" "$LAB_ETH0_MAC" "$LAB_GUEST_IP"
fi
ip tuntap add dev tap1 mode tap
quiet_link tap1 "$LAB_TAP1_MAC" "$LAB_HOST_CONTROL_IP" "$LAB_ETH1_MAC" "$LAB_GUEST_CONTROL_IP"
if [ -n "$LAB_PLAIN_NIC" ]; then
  ip tuntap add dev tap2 mode tap
  quiet_link tap2 "$LAB_TAP2_MAC" "$LAB_HOST_PLAIN_IP" "$LAB_ETH2_MAC" "$LAB_GUEST_PLAIN_IP"
fi

bash "$LAB_VM_DIR/start-guest.sh"
