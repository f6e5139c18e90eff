// SPDX-License-Identifier: Apache-2.0
#include "agent/recording.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/details.h"

namespace ringside {
namespace {

std::vector<std::string> Joined(const std::vector<std::string>& first,
                                const std::vector<std::string>& second) {
  std::vector<std::string> all = first;
  for (const std::string& one : second) {
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
  }
  return all;
}

}  // namespace

EventRecording::EventRecording(RecordingOptions options, const QueueRegistry* registry)
    : options_(std::move(options)),
      registry_(*registry),
      detail_(options_.detail),
      recorder_(options_.recorder) {
  for (const std::string& text : options_.trigger) {
    auto wish = ParseDetailWish(text);  // checked where it was given
    if (wish.ok()) thresholds_.push_back(*std::move(wish));
  }
}

void EventRecording::SetDetail(const std::vector<std::string>& wishes) {
  detail_ = Joined(options_.detail, wishes);
}

void EventRecording::SetRecorder(const std::vector<std::string>& wishes) {
  recorder_ = Joined(options_.recorder, wishes);
  if (recorder_.empty()) flight_.Clear();
}

std::vector<std::string> EventRecording::Wishes() const {
  return Joined(Joined(detail_, recorder_), options_.trigger);
}

std::string EventRecording::RecorderText() const {
  std::string text;
  for (const std::string& wish : recorder_) absl::StrAppend(&text, text.empty() ? "" : " ", wish);
  return text.empty() ? "off" : text;
}

std::vector<EventChunk> EventRecording::Take(EventChunk chunk, int64_t now_ns) {
  const bool kept = detail_.empty() && (!recorder_.empty() || !thresholds_.empty());
  if (kept) return flight_.Take(std::move(chunk), now_ns);
  std::vector<EventChunk> send;
  send.push_back(std::move(chunk));
  return send;
}

std::string EventRecording::NameOf(QueueId id) const {
  const QueueInfo* info = registry_.Find(id);
  return info == nullptr ? "" : info->device + "/" + info->queue;
}

bool EventRecording::Means(const Trigger& trigger) const {
  if (trigger.queues.empty()) return true;
  for (const std::string& queue : trigger.queues) {
    const auto wish = ParseDetailWish(queue);
    if (!wish.ok()) continue;
    for (uint32_t id = 1; id <= registry_.size(); ++id) {
      const QueueInfo* info = registry_.Find(QueueId{id});
      if (info != nullptr && WishMeans(*wish, QueueNames(options_.node, *info))) return true;
    }
  }
  return false;
}

std::optional<FlightRecorder::Opened> EventRecording::Open(const Trigger& trigger, int64_t now_ns) {
  if ((recorder_.empty() && thresholds_.empty()) || !Means(trigger)) return std::nullopt;
  FlightRecorder::Opened opened = flight_.Open(trigger, now_ns);
  if (opened.fact.empty()) return std::nullopt;
  return opened;
}

std::optional<Trigger> EventRecording::OnLogLine(const LogLine& line) const {
  return TriggerOfLogLine(line.text, [this](int irq) {
    for (uint32_t id = 1; id <= registry_.size(); ++id) {
      const QueueInfo* info = registry_.Find(QueueId{id});
      if (info != nullptr && info->kind == QueueKind::kGuest && info->irq == irq) {
        return NameOf(QueueId{id});
      }
    }
    return std::string();
  });
}

std::optional<Trigger> EventRecording::OnEvents(const std::vector<Event>& events, size_t from) {
  if (thresholds_.empty()) return std::nullopt;
  for (size_t i = from; i < events.size(); ++i) {
    const Event& event = events[i];
    for (const DetailWish& wish : thresholds_) {
      const bool kind = (wish.kinds & EventBit(static_cast<EventKind>(event.kind))) != 0;
      if (!kind || event.value < wish.least) continue;
      const QueueInfo* info = registry_.Find(event.queue);
      if (info == nullptr || !WishMeans(wish, QueueNames(options_.node, *info))) continue;
      return Trigger{
          .source = "threshold",
          .queues = {NameOf(event.queue)},
          .reason = absl::StrCat(wish.text, ": a ", std::string(EventKindName(event.kind)), " of ",
                                 event.value)};
    }
  }
  return std::nullopt;
}

}  // namespace ringside
