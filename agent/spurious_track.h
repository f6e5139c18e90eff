// SPDX-License-Identifier: Apache-2.0
// Guest: keeps the interrupt hook's account of the kernel's rule for unhandled interrupts
// (bpf/spurious.h) in step with the kernel's own numbers, one interrupt each.
//
// The hook cannot know where the kernel stood when it began. The agent reads the kernel's file
// while no call comes, and leaves what it read as a seed that the hook adopts at its next call if
// none came in between. From then on the hook follows every call, and each later quiet reading must
// agree. Some kernels do not run hooks in some of their tasks: what /proc/interrupts counts beyond
// the hook since the last quiet reading widens the interval until the next, and so does a seed that
// came too late to be adopted. What the hook missed may have started the kernel's count again, or
// have kept it going where the hook saw a gap.
//
// Agent thread only.
#ifndef RINGSIDE_AGENT_SPURIOUS_TRACK_H_
#define RINGSIDE_AGENT_SPURIOUS_TRACK_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "agent/proc_counts.h"
#include "bpf/events.h"

namespace ringside {

// Which of the rule's two variants this kernel has, by its own numbers and not by its version. The
// numbers of one interrupt tell about all.
class SpuriousVariant {
 public:
  // One quiet reading, and how often the interrupt came since the kernel counts (its own total).
  void Learn(const SpuriousNumbers& now, uint64_t total);
  // Two quiet readings of one interrupt, `calls` calls of its handler apart. This is proof.
  void Learn(const SpuriousNumbers& before, const SpuriousNumbers& now, uint64_t calls);
  bool known() const { return every_ || frozen_; }
  bool frozen() const { return frozen_ && !every_; }

 private:
  bool every_ = false;   // calls are counted while nothing is unhandled
  bool frozen_ = false;  // they are not
};

class SpuriousTrack {
 public:
  struct Numbers {
    std::optional<SpuriousNumbers> kernel;  // the file's, newest reading
    // What the hook followed; absent until it knows where it began.
    std::optional<uint32_t> lo;
    std::optional<uint32_t> hi;
  };
  struct Now {
    uint64_t jiffies = 0;  // the kernel's, and how many a second
    uint32_t hz = 0;
    uint64_t irqs = 0;   // of the hook, read before
    uint64_t total = 0;  // of /proc/interrupts
  };
  // The kernel's files, read again: costs.
  struct Kernel {
    std::function<std::optional<SpuriousNumbers>()> numbers;
    std::function<uint64_t()> total;
  };
  Numbers Read(const Kernel& kernel, const Now& now, SpuriousVariant* variant, rs_guest_slot* slot);
  // As the slot says, and what the hook missed of it.
  rs_spurious_ends Ends(const rs_guest_slot& slot) const;
  // Quiet readings so far, after new calls, that agreed with what the hook had followed, misses
  // allowed for; and those that did not.
  uint64_t agreements() const { return agreements_; }
  uint64_t disagreements() const { return disagreements_; }

 private:
  struct Quiet {
    SpuriousNumbers kernel;
    uint64_t calls = 0;
    uint64_t none = 0;  // ... of them without work
    uint64_t irqs = 0;
    rs_spurious followed{};
  };
  struct Range {
    uint32_t lo = 0;
    uint32_t hi = 0;
  };
  std::optional<Quiet> ReadQuiet(const Kernel& kernel, const rs_guest_slot* slot);
  void Settle(const rs_guest_slot& slot);
  // What the kernel's number can be at the call after which the hook had followed `s`.
  Range Reach(const rs_spurious& s, uint64_t none) const;
  bool Agrees(const Quiet& quiet) const;
  void CountMissedWindow(const Quiet& quiet, const rs_guest_slot& slot);
  void Compare(const Quiet& quiet, const Now& now, bool frozen, rs_guest_slot* slot);
  void Seed(const Quiet& quiet, const Now& now, bool frozen, rs_guest_slot* slot);
  std::optional<Quiet> last_;  // newest quiet reading
  uint64_t unseen_then_ = 0;   // interrupts up to that that the hook was not run for, at least
  uint64_t unseen_ = 0;        // ... and since, at most
  uint64_t shift_ = 0;         // by how much the kernel's count may be ahead of the hook's
  bool seeded_ = false;        // a seed was left that the hook has not looked at
  bool strayed_ = false;       // the hook goes on from numbers that were not the kernel's
  uint64_t windows_missed_ = 0;
  // One of them is still to come in the hook's account, of which this many had ended.
  std::optional<uint64_t> window_to_come_;
  uint32_t peak_missed_ = 0;  // most that was unhandled at the end of one of those
  std::optional<SpuriousNumbers> newest_;
  uint64_t agreements_ = 0;
  uint64_t disagreements_ = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_SPURIOUS_TRACK_H_
