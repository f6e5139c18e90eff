// SPDX-License-Identifier: Apache-2.0
#include "collector/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "proto/convert.h"

namespace ringside {
namespace {

constexpr int64_t kSecond_ns = 1'000'000'000;
constexpr int64_t kRestless_ns = kSecond_ns;
constexpr int64_t kCalm_ns = 5 * kSecond_ns;
constexpr int64_t kAtLeast_ns = 10 * kSecond_ns;
constexpr int64_t kRest = 4;  // times as long as the round took
constexpr std::chrono::milliseconds kStep(200);

}  // namespace

Evaluator::Evaluator(EvaluatorOptions options)
    : options_(std::move(options)), window_(options_.recorder) {}

Evaluator::~Evaluator() { Stop(); }

void Evaluator::OnRecord(const StreamKey& key, const NumberedRecord& record) {
  Item item{key, {}, false};
  if (std::holds_alternative<EventChunk>(record.record)) {
    item.record = {record.number, EventChunk{}};  // only its number is wanted
  } else {
    item.record = record;
  }
  const size_t bytes = ApproximateBytes(item.record.record);
  Put(std::move(item), bytes);
}

void Evaluator::OnEnd(const StreamKey& key) { Put(Item{key, {}, true}, 0); }

void Evaluator::Put(Item item, size_t bytes) {
  MutexLock lock(mutex_);
  // Without its beginning or its end a stream would not be known; both are small.
  const bool must = item.end || std::holds_alternative<Hello>(item.record.record) ||
                    std::holds_alternative<QueueInfo>(item.record.record);
  if (!must && inbox_bytes_ + bytes > options_.inbox_bytes_max) {
    lost_.insert(std::move(item.key));
    return;
  }
  inbox_bytes_ += bytes;
  inbox_.push_back(std::move(item));
}

void Evaluator::TakeInbox(const ClockReading& now) {
  std::vector<Item> items;
  std::set<StreamKey> lost;
  {
    MutexLock lock(mutex_);
    items.swap(inbox_);
    lost.swap(lost_);
    inbox_bytes_ = 0;
  }
  for (const Item& item : items) {
    if (item.end) {
      window_.End(item.key);
    } else {
      window_.Take(item.key, item.record, now.mono_ns);
    }
  }
  fresh_ |= !items.empty();
  for (const StreamKey& key : lost) window_.Lose(key);
  if (!lost.empty()) {
    options_.log(
        fmt::format("evaluation: {} streams came faster than they could be taken; they are"
                    " evaluated again from their next full snapshot on",
                    lost.size()));
  }
}

bool Evaluator::Due(const ClockReading& now) const {
  if (now.mono_ns < rest_until_ns_ || window_.recording().streams.empty()) return false;
  const int64_t since_ns = now.mono_ns - last_mono_ns_;
  if (fresh_ && since_ns >= (tracker_.restless() ? kRestless_ns : kCalm_ns)) return true;
  return since_ns >= kAtLeast_ns;
}

void Evaluator::Step(const ClockReading& now) {
  TakeInbox(now);
  if (Due(now)) Evaluate(now);
}

void Evaluator::Evaluate(const ClockReading& now) {
  const int64_t began_ns = options_.clock().mono_ns;
  fresh_ = false;
  window_.Trim(now);
  const Analysis analysis = options_.analyse(window_.recording(), {});
  const std::vector<Change> changes = tracker_.Update(analysis, now);
  const int64_t spent_ns = options_.clock().mono_ns - began_ns;
  ++totals_.rounds;
  totals_.spent_ns += spent_ns;
  last_mono_ns_ = now.mono_ns;
  rest_until_ns_ = now.mono_ns + spent_ns * (kRest + 1);
  SayIfLate(analysis.ledger.queues.size(), spent_ns);
  SayIfThinned();
  for (const Change& change : changes) {
    if (change.news) options_.log(LineOf(change.what));
  }
  if (options_.report && tracker_.version() != reported_version_) {
    reported_version_ = tracker_.version();
    options_.report(changes, tracker_);
  }
}

void Evaluator::SayIfLate(size_t queues, int64_t round_ns) {
  const int64_t period_ns = round_ns * (kRest + 1);
  const bool late = period_ns > kAtLeast_ns;
  if (late == late_) return;
  late_ = late;
  options_.log(fmt::format("evaluation of {} queues takes {:.1f} s: done every {:.0f} s{}", queues,
                           static_cast<double>(round_ns) / 1e9,
                           static_cast<double>(std::max(period_ns, kAtLeast_ns)) / 1e9,
                           late ? ", rounds in between are skipped" : " again"));
}

void Evaluator::SayIfThinned() {
  if (window_.level() > thinned_) {
    options_.log(
        fmt::format("evaluation: the last minute of all streams takes {} MiB; older"
                    " snapshots are folded more coarsely",
                    window_.bytes() >> 20));
  }
  thinned_ = window_.level();
  if (window_.left_out() > left_out_) {
    options_.log(fmt::format("evaluation: no room for {} streams; they are stored, not evaluated",
                             window_.left_out()));
  }
  left_out_ = window_.left_out();
}

void Evaluator::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Evaluator::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Evaluator::Run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (!stopping_) changed_.WaitUntil(mutex_, CondVar::Clock::now() + kStep);
      if (stopping_) return;
    }
    Step(options_.clock());
  }
}

}  // namespace ringside
