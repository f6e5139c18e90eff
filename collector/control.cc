// SPDX-License-Identifier: Apache-2.0
#include "collector/control.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proto/detail_wish.h"

namespace ringside {
namespace {

constexpr int64_t kMinute_ns = 60'000'000'000;
// A finding is believed some seconds after what it is about: from then on, and a little before.
constexpr int64_t kBeforeFinding_ns = 2'000'000'000;

}  // namespace

absl::StatusOr<size_t> Control::SetDetail(const DetailOrder& order) {
  if (auto parsed = ParseDetailWishes(order.wishes); !parsed.ok()) return parsed.status();
  Wishes wishes;
  {
    MutexLock lock(mutex_);
    (order.recorder ? wishes_.recorder : wishes_.detail) = order.wishes;
    wishes_.for_ns = order.for_ns;
    until_mono_ns_.reset();
    if (order.for_ns > 0) until_mono_ns_ = options_.clock().mono_ns + order.for_ns;
    wishes = wishes_;
  }
  std::string text;
  for (const std::string& wish : order.wishes) text += " " + wish;
  options_.log(fmt::format("{} asked for:{}", order.recorder ? "recorder" : "details",
                           text.empty() ? " none" : text));
  const auto peers = options_.peers();
  for (const auto& peer : peers) peer->SendWishes(wishes);
  return peers.size();
}

size_t Control::Command(Trigger trigger) {
  trigger.source = "command";
  BoundTrigger(trigger);
  {
    MutexLock lock(mutex_);
    const std::vector<std::string> asked = trigger.queues;
    for (const std::string& queue : asked) {
      std::string partner = PartnerOf(queue);
      if (!partner.empty()) trigger.queues.push_back(std::move(partner));
    }
  }
  return Tell(trigger);
}

Wishes Control::Present() {
  MutexLock lock(mutex_);
  Wishes wishes = wishes_;
  if (until_mono_ns_) {
    wishes.for_ns = std::max<int64_t>(*until_mono_ns_ - options_.clock().mono_ns, 1);
  }
  return wishes;
}

void Control::Tick(int64_t mono_ns) {
  Wishes wishes;
  {
    MutexLock lock(mutex_);
    if (!until_mono_ns_ || mono_ns < *until_mono_ns_) return;
    until_mono_ns_.reset();
    wishes = wishes_ = options_.start;
  }
  options_.log("details asked for a time have ended");
  for (const auto& peer : options_.peers()) peer->SendWishes(wishes);
}

void Control::OnChanges(const std::vector<EvaluationChange>& changes) {
  for (const EvaluationChange& change : changes) {
    std::visit([this](const auto& body) { LearnPartners(body.queue, body.host_queue); }, change);
    const auto* finding = std::get_if<FindingChange>(&change);
    if (finding == nullptr || finding->step != FindingStep::kAppeared) continue;
    Trigger trigger;
    trigger.source = "finding";
    for (const std::string& queue : {finding->queue, finding->host_queue}) {
      if (!queue.empty()) trigger.queues.push_back(queue);
    }
    trigger.reason = fmt::format("{}: {}", finding->cause, finding->title);
    trigger.before_ns = std::max(kTriggerBefore_ns,
                                 finding->at_real_ns - finding->since_real_ns + kBeforeFinding_ns);
    TellByItself(std::move(trigger));
  }
}

// An agent that emptied its recorder by itself: the other side of its queue does likewise.
void Control::OnRecord(const StreamKey& key, const NumberedRecord& record) {
  if (const auto* hello = std::get_if<Hello>(&record.record)) {
    MutexLock lock(mutex_);
    names_[key] = hello->name;
    return;
  }
  const auto* fact = std::get_if<Fact>(&record.record);
  if (fact == nullptr || fact->name != kTriggerFact) return;
  std::optional<Trigger> trigger = ParseTriggerText(fact->value);
  if (!trigger || (trigger->source != "log" && trigger->source != "threshold")) return;
  std::vector<std::string> partners;
  {
    MutexLock lock(mutex_);
    for (const std::string& queue : trigger->queues) {
      std::string partner = PartnerOf(names_[key] + "/" + queue);
      if (!partner.empty()) partners.push_back(std::move(partner));
    }
  }
  if (partners.empty()) return;
  trigger->reason = fmt::format("{} of the other side: {}", trigger->source, trigger->reason);
  trigger->source = "other-side";
  trigger->queues = std::move(partners);
  TellByItself(*std::move(trigger));
}

void Control::OnEnd(const StreamKey& key) {
  MutexLock lock(mutex_);
  names_.erase(key);
}

size_t Control::Tell(const Trigger& trigger) {
  options_.log("recording asked for: " + TriggerText(trigger));
  const auto peers = options_.peers();
  for (const auto& peer : peers) peer->SendTrigger(trigger);
  return peers.size();
}

void Control::TellByItself(Trigger trigger) {
  BoundTrigger(trigger);
  {
    MutexLock lock(mutex_);
    const int64_t now_ns = options_.clock().mono_ns;
    if (now_ns - minute_mono_ns_ >= kMinute_ns) {
      minute_mono_ns_ = now_ns;
      this_minute_ = 0;
    }
    ++this_minute_;
    if (this_minute_ > kTriggersPerMinuteMax) {
      if (this_minute_ == kTriggersPerMinuteMax + 1) {
        options_.log(fmt::format("more than {} recordings in a minute: the rest of it is left out",
                                 kTriggersPerMinuteMax));
      }
      return;
    }
  }
  Tell(trigger);
}

std::string Control::PartnerOf(const std::string& queue) {
  const auto at = partners_.find(queue);
  return at == partners_.end() ? "" : at->second;
}

void Control::LearnPartners(const std::string& queue, const std::string& host_queue) {
  if (queue.empty() || host_queue.empty()) return;
  MutexLock lock(mutex_);
  if (partners_.size() >= kPartnersMax) partners_.clear();  // learnt again as they are evaluated
  partners_[queue] = host_queue;
  partners_[host_queue] = queue;
}

}  // namespace ringside
