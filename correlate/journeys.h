// SPDX-License-Identifier: Apache-2.0
// The path of single entries of one queue, told from detail events of both sides:
//
//   host   enqueued -> batch -> woken -> injected -> vCPU woken -> vCPU runs
//   guest                                                       -> interrupt -> polled
//
// Events belong together by position: of every kind, the first event that shows an index beyond
// the entry's is the entry's. Time decides nothing but whether something was on the entry's path
// at all: an entry may be seen by an earlier interrupt than the one that its own signal makes, or
// taken by a poll that no interrupt started; it then has no such point. Where the clocks cannot
// tell, it keeps the point.
//
// A hole in the numbers of a kind leaves the entries around it without a journey: what came first
// is not known there. Nor is it of entries that the guest's very first event shows: others may have
// shown them before. Kinds that were sampled are not used; of those of which there are no events,
// the guest's counts say whether there was something to be missed.
//
// Values; not for several threads at once.
#ifndef RINGSIDE_CORRELATE_JOURNEYS_H_
#define RINGSIDE_CORRELATE_JOURNEYS_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "correlate/event_kinds.h"
#include "correlate/pairing.h"

namespace ringside {

// A detail event as a reader hands it on.
struct PathEvent {
  int64_t mono_ns = 0;
  uint64_t pos = 0;
  EventKind kind{};
  uint16_t cpu = 0;
  uint64_t number = 0;
  uint64_t value = 0;
  uint32_t rate = 1;
};

// Places on the path, in its order.
enum class PathPoint : uint8_t {
  kEnqueued,   // host: the packet is in the tap's ring
  kBatch,      // host: the call that publishes the entry begins (older agents: it is over)
  kWoken,      // host: the irqfd is woken for it or for a later entry
  kInjected,   // host: the injection is over
  kVcpuWoken,  // host: the vCPU's thread, asleep or stopped at the injection, becomes runnable
  kVcpuRuns,   // host: the vCPU's thread gets a CPU
  kIrq,        // guest: an interrupt handler begins and sees the entry
  // Guest: a poll is over that took it. Of transmit queues, the first transmit poll by which it was
  // free: a transmit, or a poll of the receive queue, may have freed it before.
  kPolled,
};
inline constexpr int kPathPoints = 8;
std::string_view PathPointName(PathPoint point);
inline bool OnGuest(PathPoint point) { return point >= PathPoint::kIrq; }

// Both ends; equal within one node.
struct Span {
  int64_t lo_ns = 0;
  int64_t hi_ns = 0;
  int64_t mid_ns() const { return lo_ns + (hi_ns - lo_ns) / 2; }
};

struct JourneyPoint {
  PathPoint point{};
  int64_t mono_ns = 0;  // of its own node
};

struct Journey {
  uint64_t pos = 0;                  // of the entry, as the host counts: index after it
  uint16_t cpu = 0;                  // of the interrupt, in the guest
  std::vector<JourneyPoint> points;  // in the path's order
  // Of all the way, how long the vCPU that polled was ready to run and had no CPU, in whatever
  // stage that was: an interval, because the way ends in the guest. Absent without details of
  // vCPUs, and where they do not tell all of it.
  std::optional<Span> vcpu_wait;
};

// What fits into memory: 250 bytes each.
inline constexpr size_t kJourneysMax = 1'000'000;

// Why entries have no journey, or none from the beginning.
struct Unfollowed {
  uint64_t entries = 0;    // published in the events' time
  uint64_t no_poll = 0;    // not seen to be taken: the end of the recording, or no such events
  uint64_t holes = 0;      // records were lost around them
  uint64_t no_packet = 0;  // followed, but which packet it was is not known
  uint64_t too_many = 0;   // beyond kJourneysMax
};

// What the two sides of a queue did, event by event, in order of time on each side.
class JourneyMaker {
 public:
  // A bound pair with a known turn; must outlive this.
  explicit JourneyMaker(const QueuePair& pair) : pair_(pair) {}

  void AddHost(const PathEvent& event);
  void AddGuest(const PathEvent& event);
  // Of vCPU number `vcpu` of the VM.
  void AddVcpu(int vcpu, const PathEvent& event);

  std::vector<Journey> Make();
  const Unfollowed& unfollowed() const { return unfollowed_; }
  // The kinds that were sampled, and hence left out.
  const std::vector<EventKind>& sampled() const { return sampled_; }
  size_t events() const { return events_; }

 private:
  struct Seen {
    int64_t mono_ns;
    int64_t begin_ns;  // it had begun by then
    int64_t pos;
    uint16_t cpu;
    bool hole;  // since the one before it something may have happened that was not recorded
  };
  // Events of one kind that were not recorded came between two times.
  struct Missing {
    int64_t from_ns;
    int64_t to_ns;
  };
  struct Batch {
    int64_t from_pos;
    int64_t to_pos;
    std::optional<int64_t> begin_ns;
    int64_t end_ns;
    bool signalled = false;
  };
  struct Run {
    int64_t from_ns;  // off the CPU since
    int64_t to_ns;    // on it again
    std::optional<int64_t> woken_ns;
    bool hole;  // there may be others since the one before it, or it was woken
  };
  struct Packet {
    int64_t mono_ns;
    uint64_t bytes;
    bool hole;
  };
  // Whose numbers run: kinds of a queue, tun's by CPU; and those of vCPUs.
  struct NumberKey {
    EventKind kind;
    int of;
    friend auto operator<=>(const NumberKey&, const NumberKey&) = default;
  };
  struct Numbers {
    uint64_t next;
    int64_t last_ns;
  };
  bool Complete(const PathEvent& event, int of, std::optional<Missing>* missing);
  static void Mark(const Missing& missing, std::vector<Seen>* seen);
  void MarkUnseen(EventKind kind, std::vector<Seen>* seen);
  static void Put(const Seen& event, const std::optional<Missing>& missing,
                  std::vector<Seen>* seen);
  void PutPacket(const PathEvent& event, const std::optional<Missing>& missing);
  void PutGuest(const PathEvent& event, std::optional<Missing> missing, std::vector<Seen>* seen);
  static const Seen* First(const std::vector<Seen>& seen, int64_t pos);
  std::optional<Span> VcpuWait(const Journey& journey, const Seen& poll) const;
  std::optional<int64_t> WaitBetween(int cpu, int64_t begin_ns, int64_t end_ns) const;
  void AddVcpuPoints(const Seen& irq, int64_t injected_ns, Journey* journey) const;
  bool MayFollow(int64_t host_ns, int64_t guest_ns) const;
  bool Follows(int64_t host_ns, int64_t guest_ns) const;
  std::optional<Journey> Follow(const Batch& batch, int64_t pos);
  bool Settled(size_t packets, int64_t by_ns) const;
  void MatchBetween(size_t first, size_t last, int64_t from_pos, int64_t to_pos);
  void MatchPackets();

  const QueuePair& pair_;
  std::map<NumberKey, Numbers> numbers_;
  std::vector<EventKind> sampled_;
  size_t events_ = 0;
  std::vector<Packet> packets_;
  std::vector<Batch> batches_;
  struct Begun {
    int64_t mono_ns;
    int64_t pos;
  };
  std::optional<Begun> begun_;  // the batch under way
  int64_t last_guest_ns_ = INT64_MIN;
  int64_t last_host_ns_ = INT64_MIN;
  bool begins_known_ = false;  // older agents recorded ends only
  std::vector<Seen> woken_, injected_, irqs_, polls_;
  std::map<int, std::vector<Run>> runs_;
  std::map<int, int64_t> vcpu_woken_ns_;
  std::map<int64_t, int64_t> packet_of_;  // entry to the time at which it was enqueued
  Unfollowed unfollowed_;
};

}  // namespace ringside

#endif  // RINGSIDE_CORRELATE_JOURNEYS_H_
