# SPDX-License-Identifier: Apache-2.0
# Open vSwitch with DPDK in the host VM (sourced by host.sh). Two bridges, each with a vhost-user
# port of the guest's (this end connects, QEMU listens) and a port on one end of a veth pair, which
# DPDK reads as a raw socket:
#
#   veth0 (HOST_IP)  - veth0b - dp0 - br0 - vhu0 - eth0 of the guest
#   veth1 (HOST_PLAIN_IP) - veth1b - dp1 - br1 - vhu1 - eth2 of the guest, without EVENT_IDX
#
# br0 itself has an address, too: what goes through it is polled by the main thread of ovs-vswitchd.

ovs_say() { echo "lab: ovs: $1" > /dev/console; }

# Its packages are not installed on the machine whose root this is. The copy is in memory.
ovs_place() {
  cp -r "$LAB_OVS/usr" / 2> /dev/null
  modprobe veth
  # DPDK wants huge pages: memory of its own and a little for each port.
  echo 400 > /proc/sys/vm/nr_hugepages
  mkdir -p /dev/hugepages /run/openvswitch
  mount -t hugetlbfs huge /dev/hugepages
}

ovs_start() {
  local run=/run/openvswitch
  ovsdb-tool create "$run/conf.db" /usr/share/openvswitch/vswitch.ovsschema
  ovsdb-server "$run/conf.db" --remote="punix:$run/db.sock" --pidfile="$run/ovsdb-server.pid" \
    --log-file="$run/ovsdb-server.log" --detach
  ovs-vsctl --no-wait init
  # --in-memory and --no-pci: this VM has neither files for huge pages nor a NIC to give away. A
  # thread that polls leaves this VM's one CPU to others for up to 200 us when there is nothing.
  ovs-vsctl --no-wait set Open_vSwitch . other_config:dpdk-init=true \
    other_config:dpdk-socket-mem=512 other_config:per-port-memory=false \
    other_config:dpdk-extra="--in-memory --no-pci --no-telemetry" \
    other_config:dpdk-lcore-mask=0x1 other_config:pmd-cpu-mask=0x1 other_config:pmd-maxsleep=200
  /usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk "unix:$run/db.sock" \
    --pidfile="$run/ovs-vswitchd.pid" --log-file="$run/ovs-vswitchd.log" --detach
}

# ovs_bridge N ADDRESS PEER-ADDRESS MAC PEER-MAC: bridge brN, its ports vhuN and dpN, the veth pair.
# tx-steering: both receive queues of the guest get packets although one thread sends them all.
ovs_bridge() {
  ip link add "veth$1" type veth peer name "veth$1b"
  echo 1 > "/proc/sys/net/ipv6/conf/veth$1b/disable_ipv6"
  ip link set "veth$1b" up
  # Checksums left to be filled in, and packets left to be cut, would arrive so.
  ethtool -K "veth$1" tx off rx off gso off tso off gro off > /dev/null
  quiet_link "veth$1" "$4" "$2" "$5" "$3"
  ovs-vsctl -t 60 add-br "br$1" -- set bridge "br$1" datapath_type=netdev
  ovs-vsctl -t 60 add-port "br$1" "vhu$1" -- set Interface "vhu$1" type=dpdkvhostuserclient \
    options:vhost-server-path="/run/vhu$1.sock" other_config:tx-steering=hash
  ovs-vsctl -t 60 add-port "br$1" "dp$1" -- set Interface "dp$1" type=dpdk \
    options:dpdk-devargs="net_af_packet$1,iface=veth$1b" options:n_rxq=1
}

ovs_up() {
  ovs_place
  ovs_start || ovs_say "$(tail -n 5 /run/openvswitch/ovs-vswitchd.log)"
  ovs_bridge 0 "$LAB_HOST_IP" "$LAB_GUEST_IP" "$LAB_TAP0_MAC" "$LAB_ETH0_MAC"
  ovs_bridge 1 "$LAB_HOST_PLAIN_IP" "$LAB_GUEST_PLAIN_IP" "$LAB_TAP2_MAC" "$LAB_ETH2_MAC"
  ovs-vsctl -t 60 set bridge br0 other_config:hwaddr="\"$LAB_BR0_MAC\""
  quiet_link br0 "$LAB_BR0_MAC" "$LAB_BR0_IP" "$LAB_ETH0_MAC" "$LAB_GUEST_BR0_IP"
}
