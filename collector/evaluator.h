// SPDX-License-Identifier: Apache-2.0
// Evaluates every queue while its records arrive, so that nobody has to ask (design D11).
//
//   writer thread --OnRecord--> inbox --evaluator's thread--> LiveWindow -> Analyse
//                                          -> VerdictTracker -> report: store, log, watchers
//
// New data are evaluated after five seconds, and after one while anything is violated, found or
// suspected; without new data every ten. After a round it rests four times as long as the round
// took: it never takes more than a fifth of one core, skips rounds instead, and says so when ten
// seconds cannot be kept. Ingest is never held up: an inbox that is full loses records for the
// evaluation (not for the store), whose streams then wait for their next full snapshot.
//
// OnRecord and OnEnd: any thread. The rest: the thread that made it.
#ifndef RINGSIDE_COLLECTOR_EVALUATOR_H_
#define RINGSIDE_COLLECTOR_EVALUATOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "collector/ingest.h"
#include "collector/live_window.h"
#include "collector/verdict_tracker.h"
#include "correlate/analysis.h"
#include "proto/sync.h"

namespace ringside {

// What a thousand agents send while a round takes ten seconds.
inline constexpr size_t kInboxBytesMax = size_t{64} << 20;

struct EvaluatorOptions {
  std::string recorder;
  std::function<ClockReading()> clock;
  std::function<void(const std::string& line)> log;
  std::function<Analysis(const Recording&, const LedgerOptions&)> analyse = Analyse;
  // After every round in which something changed; from the evaluator's thread.
  std::function<void(const std::vector<Change>& changes, const VerdictTracker& tracker)> report;
  size_t inbox_bytes_max = kInboxBytesMax;
};

class Evaluator : public IngestListener {
 public:
  explicit Evaluator(EvaluatorOptions options);
  ~Evaluator() override;

  void OnRecord(const StreamKey& key, const NumberedRecord& record) override;
  void OnEnd(const StreamKey& key) override;

  void Start();  // its thread
  void Stop();   // idempotent
  // What the thread does five times a second: takes the inbox and evaluates if it is time. For
  // tests, which pass times in; never while the thread runs.
  void Step(const ClockReading& now);

  struct Totals {
    uint64_t rounds = 0;
    int64_t spent_ns = 0;  // by `clock`
  };
  const Totals& totals() const { return totals_; }  // not while the thread runs

 private:
  struct Item {
    StreamKey key;
    NumberedRecord record;
    bool end = false;
  };
  void Put(Item item, size_t bytes);
  void TakeInbox(const ClockReading& now);
  bool Due(const ClockReading& now) const;
  void Evaluate(const ClockReading& now);
  void SayIfLate(size_t queues, int64_t round_ns);
  void SayIfThinned();
  void Run();

  const EvaluatorOptions options_;
  // Of the evaluator's thread:
  LiveWindow window_;
  VerdictTracker tracker_;
  Totals totals_;
  uint64_t reported_version_ = 0;
  int64_t last_mono_ns_ = 0;   // when the last round began
  int64_t rest_until_ns_ = 0;  // no round before
  bool fresh_ = false;         // something came since
  bool late_ = false;
  int thinned_ = 0;
  size_t left_out_ = 0;

  Mutex mutex_;
  CondVar changed_;
  std::vector<Item> inbox_ ABSL_GUARDED_BY(mutex_);
  size_t inbox_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::set<StreamKey> lost_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_EVALUATOR_H_
