// SPDX-License-Identifier: Apache-2.0
// Packets by queue of a network device, as its driver counts them, over the kernel's "netdev"
// generic netlink family (queue statistics, 6.9 or newer). Older drivers tell the same through
// `ethtool -S`, newer ones no longer do.
#ifndef RINGSIDE_TESTS_LAB_QUEUE_PACKETS_H_
#define RINGSIDE_TESTS_LAB_QUEUE_PACKETS_H_

// Prints "rx0_packets=N rx1_packets=N tx0_packets=N ..." for the device and returns 0; an empty
// line and 0 where the kernel has no queue statistics; 1 with a message on standard error when
// asking failed.
int PrintQueuePackets(const char* device);

#endif  // RINGSIDE_TESTS_LAB_QUEUE_PACKETS_H_
