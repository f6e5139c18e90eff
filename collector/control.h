// SPDX-License-Identifier: Apache-2.0
// What agents are asked for while they run: details, and to empty their flight recorders.
//
//   commands (gRPC) ---+
//   findings (evaluator) --> Control --> sessions --> agents
//   an agent's own trigger (writer thread: its fact) --^    the other side of the same queue
//
// Which host queue and guest queue are the same is learnt from what the evaluator says. Triggers
// that nobody commanded are bounded per minute. Any thread; sessions are called without the lock.
#ifndef RINGSIDE_COLLECTOR_CONTROL_H_
#define RINGSIDE_COLLECTOR_CONTROL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/ingest.h"
#include "collector/store/evaluation.h"
#include "proto/control.h"
#include "proto/sync.h"

namespace ringside {

// Findings and agents may ask for so many recordings a minute; more are a fault of their own.
inline constexpr int kTriggersPerMinuteMax = 30;
// Queues whose other side is known: a collector's worth of them.
inline constexpr size_t kPartnersMax = 65'536;

// An agent's connection, as far as it is told what to record. Never blocks.
class ControlPeer {
 public:
  virtual ~ControlPeer() = default;
  virtual void SendWishes(const Wishes& wishes) = 0;
  virtual void SendTrigger(const Trigger& trigger) = 0;
};

struct ControlOptions {
  Wishes start;  // what agents are told until somebody asks
  std::function<ClockReading()> clock;
  std::function<void(const std::string& line)> log;
  // Agents that are connected and welcome now.
  std::function<std::vector<std::shared_ptr<ControlPeer>>()> peers;
};

class Control : public IngestListener {
 public:
  explicit Control(ControlOptions options)
      : options_(std::move(options)), wishes_(options_.start) {}

  // Both: how many agents were told. INVALID_ARGUMENT with one line for a wish that is none.
  absl::StatusOr<size_t> SetDetail(const DetailOrder& order);
  size_t Command(Trigger trigger);

  // For an agent that has just been welcomed.
  Wishes Present();

  void OnChanges(const std::vector<EvaluationChange>& changes);
  void OnRecord(const StreamKey& key, const NumberedRecord& record) override;
  void OnEnd(const StreamKey& key) override;
  void Tick(int64_t mono_ns);  // often: ends what was asked for a time

 private:
  size_t Tell(const Trigger& trigger);
  void TellByItself(Trigger trigger);
  std::string PartnerOf(const std::string& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LearnPartners(const std::string& queue, const std::string& host_queue);

  const ControlOptions options_;
  Mutex mutex_;
  Wishes wishes_ ABSL_GUARDED_BY(mutex_);
  std::optional<int64_t> until_mono_ns_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> partners_ ABSL_GUARDED_BY(mutex_);  // both ways
  std::map<StreamKey, std::string> names_ ABSL_GUARDED_BY(mutex_);
  int64_t minute_mono_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  int this_minute_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_CONTROL_H_
