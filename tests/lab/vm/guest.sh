# SPDX-License-Identifier: Apache-2.0
# Role of the guest VM (sourced by main.sh): eth0 is the measured NIC, eth1 the agent's.
quiet_link eth0 "$LAB_ETH0_MAC" "$LAB_GUEST_IP" "$LAB_TAP0_MAC" "$LAB_HOST_IP"
quiet_link eth1 "$LAB_ETH1_MAC" "$LAB_GUEST_CONTROL_IP" "$LAB_TAP1_MAC" "$LAB_HOST_CONTROL_IP"
[ -z "$LAB_PLAIN_NIC$LAB_OVS" ] ||
  quiet_link eth2 "$LAB_ETH2_MAC" "$LAB_GUEST_PLAIN_IP" "$LAB_TAP2_MAC" "$LAB_HOST_PLAIN_IP"
if [ -n "$LAB_OVS" ]; then
  ip address add "$LAB_GUEST_BR0_IP/24" dev eth0
  ip neighbour replace "$LAB_BR0_IP" lladdr "$LAB_BR0_MAC" dev eth0 nud permanent
fi
# What a program asks the kernel for is there or is not: looking for a module costs a 5.10 guest on
# arm64 a minute each time.
echo > /proc/sys/kernel/modprobe
