// SPDX-License-Identifier: Apache-2.0
// What a run is made of: delays (kernel facts 12 to 15), the rules of the kernels with their wrong
// variants (mutations), and the description of virtual machines, traffic and faults that a
// scenario fills in. Times in nanoseconds of true time unless a name says otherwise.
#ifndef RINGSIDE_TESTS_SIM_PARAMS_H_
#define RINGSIDE_TESTS_SIM_PARAMS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/random.h"

namespace ringside::sim {

inline constexpr int64_t kUsNs = 1000;
inline constexpr int64_t kMsNs = 1'000'000;
inline constexpr int64_t kSecNs = 1'000'000'000;

// A packet's steps and the gaps between packets of a queue, as the lab's nested emulation has them,
// in ns (tests/sim/fit).
struct LabSteps {
  Quantiles taken;        // in the tap's ring, until vhost begins a batch with it
  Quantiles signalled;    // from there to the irqfd's wake-up
  Quantiles injected;     // from there to the end of the injection
  Quantiles interrupted;  // from there to the guest's handler
  Quantiles polled;       // from there to the poll that takes it
  Quantiles gap;
};
#include "tests/sim/lab_steps.inc"  // kLabSteps

// Host and guest kernels of bare metal: the lab's own are nested and some twenty times slower, with
// the same order of steps.
struct Delays {
  // vhost worker
  int64_t worker_wake_ns = 5000;
  int64_t copy_ns = 600;     // per packet, tap to guest
  int64_t publish_ns = 120;  // last_used_idx moved, used->idx not yet
  int64_t decide_ns = 60;    // from publishing to the look at the guest's wish
  int64_t race_ns = 50;      // from reading the pending bit to setting it
  int64_t leave_ns = 150;
  int64_t tx_copy_ns = 500;
  int64_t kworker_ns = 40'000;  // slow path, until the work runs
  int64_t vmm_ns = 40'000;      // VMM's handling of a write to the MSI-X table
  // vCPU
  int64_t kick_ns = 1500;        // pending bit set to interrupt taken, vCPU in guest mode
  int64_t wake_ns = 7000;        // halted vCPU until it runs
  int64_t window_ns = 700;       // end of one interrupt to the next that waited
  int64_t slice_ns = 3 * kMsNs;  // between preemptions on a contended host CPU
  int64_t wait_ns = 0;           // mean wait of a contended vCPU for its CPU; 0: never
  bool wake_waits = true;        // also when it wakes up, not only when it was preempted
  // guest
  int64_t irq_entry_ns = 500;
  int64_t handler_ns = 350;
  int64_t softirq_ns = 250;
  int64_t poll_begin_ns = 120;
  int64_t packet_ns = 400;
  int64_t empty_ns = 90;   // from finding the ring empty to arming the interrupt
  int64_t enable_ns = 70;  // from arming the interrupt to the look for what came meanwhile
  int64_t spin_ns = 600;   // one turn of a busy poller that finds nothing
  int64_t xmit_ns = 500;
  const LabSteps* lab = nullptr;  // where given, instead of what is above
};

// Each rule of the kernels that the model follows, with a wrong variant: `ringside-sim list
// --mutations`. X(identifier, name, what is wrong then)
#define RINGSIDE_SIM_MUTATIONS(X)                                                              \
  X(kNone, "none", "the kernel as it is")                                                      \
  X(kNeedEvent, "need-event", "vring_need_event is off by one")                                \
  X(kNoRecheck, "no-recheck", "arming the interrupt does not look for what came meanwhile")    \
  X(kDisableNothing, "disable-nothing", "disable_cb writes nothing on any kernel")             \
  X(kMergeUnseen, "merge-unseen", "a pending interrupt is not noticed when it is set again")   \
  X(kMergeAlways, "merge-always", "the pending bit is read after it was set")                  \
  X(kMergeTwice, "merge-twice", "an interrupt set while pending is delivered again")           \
  X(kMaskedLost, "masked-lost", "unmasking does not write what was signalled meanwhile")       \
  X(kRerunLost, "rerun-lost", "IRQS_PENDING is not run again")                                 \
  X(kDropUncounted, "drop-uncounted", "a full tap ring swallows packets without a verdict")    \
  X(kSignalUncounted, "signal-uncounted", "every 50th signal is taken for suppressed")         \
  X(kWakeUncounted, "wake-uncounted", "every 500th wake-up reaches no injection")              \
  X(kNoneUncounted, "none-uncounted", "handlers that find nothing are not counted as entered") \
  X(kLimitHalf, "limit-half", "the spurious rule disables over 49,900 of 100,000")             \
  X(kTakenTwice, "taken-twice", "reinjected repeats are counted as taken")                     \
  X(kSlowTwice, "slow-twice", "work of the slow path that was queued once runs twice")

enum class Mutation : uint16_t {
#define X(id, name, text) id,
  RINGSIDE_SIM_MUTATIONS(X)
#undef X
};

// Guest kernels that differ in what matters here (kernel facts 2.2, 2.6).
enum class GuestKernel { k510, k61 };

struct Poller {  // an application that receives with net.core.busy_read
  bool on = false;
  bool dedicated = false;  // polls on whatever arrives: others take the data
  int64_t busy_ns = 0;     // how long it polls for the next packet; 0: sleeps at once
  int64_t app_ns = 6000;   // its own work per packet
  int vcpu = 1;
};

// kLab: gaps as the lab's traffic had them.
enum class Pattern { kIdle, kPings, kPingPong, kSteady, kBursts, kFlood, kLab };

// Traffic of one queue pair, host to guest, and what the guest answers.
struct Flow {
  Pattern pattern = Pattern::kIdle;
  double rate_hz = 0;   // packets per second
  int burst = 1;        // packets that arrive together
  double answer = 0;    // packets the guest sends per packet received (TCP: acknowledgements)
  double send_hz = 0;   // packets the guest sends by itself
  int send_burst = 1;   // that many at once
  int64_t from_ns = 0;  // begins
  int64_t to_ns = INT64_MAX;
  int64_t silent_from_ns = INT64_MAX;  // nothing is sent meanwhile
  int64_t silent_to_ns = INT64_MAX;
  Poller poller;
};

struct PairSpec {
  Flow flow;
  int irq_vcpu = 0;
  bool napi_thread = false;
  uint32_t tap_ring = 0;  // of this queue alone; 0: as the VM's others
};

struct VmSpec {
  std::string name = "vm1";
  GuestKernel kernel = GuestKernel::k61;
  bool arm64 = false;
  bool event_idx = true;
  int vcpus = 2;
  uint32_t ring = 256;
  uint32_t tap_ring = 1000;
  bool agent = true;    // in the guest
  bool clone = false;   // has the first VM's UUID
  bool posted = false;  // APICv: nothing is taken by injection
  bool blind = false;   // and the pending bit cannot be read
  std::vector<PairSpec> pairs;
  Delays delays;
  int softirq_budget = 300;
  int64_t softirq_time_ns = 8 * kMsNs;
  int64_t defer_ns = 0;  // gro_flush_timeout with napi_defer_hard_irqs
};

}  // namespace ringside::sim

#endif  // RINGSIDE_TESTS_SIM_PARAMS_H_
