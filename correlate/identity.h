// SPDX-License-Identifier: Apache-2.0
// Who speaks and of what: nodes, hooks and queues, as plain values. Part of the vocabulary of
// correlate/records.h. No thread rule, no lifetime beyond their own.
#ifndef RINGSIDE_CORRELATE_IDENTITY_H_
#define RINGSIDE_CORRELATE_IDENTITY_H_

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace ringside {

enum class QueueId : uint32_t {};  // unique within one stream
enum class HookId : uint32_t {};   // unique within one stream

// The four clocks of a node, read together. `width_ns` is the monotonic time between the first and
// the last of the reads: all four values hold for some instants within it.
struct ClockReading {
  int64_t mono_ns = 0;   // CLOCK_MONOTONIC
  int64_t raw_ns = 0;    // CLOCK_MONOTONIC_RAW
  int64_t real_ns = 0;   // CLOCK_REALTIME, since 1970
  uint64_t counter = 0;  // TSC or CNTVCT; 0 where it cannot be read
  int64_t width_ns = 0;
  friend bool operator==(const ClockReading&, const ClockReading&) = default;
};

// One agent's life on one kernel. Two streams of one node (machine and boot) are the same node.
struct StreamKey {
  std::string machine_id;
  std::string boot_id;
  std::string instance;  // random per agent start
  friend bool operator==(const StreamKey&, const StreamKey&) = default;
  friend auto operator<=>(const StreamKey&, const StreamKey&) = default;
};

enum RoleBits : uint32_t { kRoleHost = 1, kRoleGuest = 2 };

// How a count is obtained; better rungs first (design D3).
enum class Rung : uint16_t { kTpBtf, kFentry, kKprobe, kTracepoint, kProcfs, kNone };
// kAttached says nothing about hits: the path was idle, or nobody has looked (hook_proof.h).
enum class HookState : uint16_t {
  kAttached,
  kRefused,
  kUnneeded,
  kProven,
  kSilent,
  kLossy,
  kPaused  // detached for its cost; what it counted before stands as a lower end
};

struct HookInfo {
  HookId id{};
  std::string stage;    // "guest.irq", "vhost", ...
  std::string program;  // BPF program or file
  std::string target;   // kernel function or tracepoint
  Rung rung = Rung::kNone;
  HookState state = HookState::kRefused;
  std::string reason;  // the kernel's own words where it refused
  friend bool operator==(const HookInfo&, const HookInfo&) = default;
};

struct Hello {
  StreamKey key;
  std::string name;     // shown name: --name, else host name
  std::string version;  // of the agent
  uint32_t protocol = 0;
  uint32_t roles = 0;  // RoleBits
  std::string kernel;  // uname -r
  std::string arch;
  std::string smbios_uuid;  // empty where it cannot be read
  std::vector<HookInfo> hooks;
  ClockReading clock;
  friend bool operator==(const Hello&, const Hello&) = default;
};

// kCpu and kVcpu are no queues: their counts (softnet.*, vcpu.*) belong to a node or to a VM, and
// travel as counts of a queue would. kCpu: device "cpu", queue "softnet". kVcpu: device as the VM's
// queues' vm_id says, queue "vcpu0".
enum class QueueKind : uint16_t { kGuest, kHost, kRoute, kCpu, kVcpu };

struct MsiMessage {
  uint64_t address = 0;
  uint32_t data = 0;
  bool known = false;
  friend bool operator==(const MsiMessage&, const MsiMessage&) = default;
};

// A queue as one side knows it. Sent at first sight and again whenever something in it changed; the
// last one before a time holds at that time. A new `generation` means another object under the same
// name: counts and positions of two generations are never joined.
struct QueueInfo {
  QueueId id{};
  uint32_t generation = 0;
  int64_t mono_ns = 0;  // when this was found to be so
  QueueKind kind = QueueKind::kGuest;
  std::string device;         // guest: eth0, virtio1; host: tap0; route: kvm-PID
  std::string queue;          // rx0, tx1, req.0, gsi5: rx and tx as the guest sees them
  std::string irq_name;       // guest: virtio0-input.0
  int32_t irq = -1;           // guest: interrupt number; host: GSI
  uint32_t ring_size = 0;     // entries; 0 unknown
  bool packed = false;        // packed ring: no positions
  uint64_t ring_address = 0;  // guest physical (DMA) address of the used ring; 0 unknown
  MsiMessage msi;
  uint32_t epoch = 0;     // grows when the message changes
  std::string vm_id;      // host: salted hash that is equal for queues of one VM
  std::string vm_name;    // host: -name or libvirt's domain
  std::string vm_uuid;    // host: -uuid
  int32_t owner_pid = 0;  // host: the VMM
  friend bool operator==(const QueueInfo&, const QueueInfo&) = default;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_IDENTITY_H_
