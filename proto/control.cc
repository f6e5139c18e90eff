// SPDX-License-Identifier: Apache-2.0
#include "proto/control.h"

#include <fmt/format.h>

#include <algorithm>

#include "proto/convert.h"
#include "proto/ringside.pb.h"
#include "proto/texts.h"

namespace ringside {
namespace {

template <typename Texts>
std::vector<std::string> Bounded(const Texts& texts) {
  std::vector<std::string> bounded;
  for (const std::string& text : texts) {
    if (bounded.size() == kWishesMax) break;
    bounded.push_back(text);
    CleanText(bounded.back(), kNameBytesMax);
  }
  return bounded;
}

}  // namespace

void EncodeDetailOrder(const DetailOrder& order, v1::SetDetailRequest* message) {
  for (const std::string& wish : order.wishes) message->add_wishes(wish);
  message->set_recorder(order.recorder);
  message->set_for_ns(order.for_ns);
}

absl::StatusOr<DetailOrder> DecodeDetailOrder(const v1::SetDetailRequest& message) {
  if (static_cast<size_t>(message.wishes_size()) > kWishesMax) {
    return absl::InvalidArgumentError(
        fmt::format("{} wishes, at most {} are allowed", message.wishes_size(), kWishesMax));
  }
  if (message.for_ns() < 0 || message.for_ns() > kDetailForMax_ns) {
    return absl::InvalidArgumentError("details can be asked for a day at most");
  }
  for (const std::string& wish : message.wishes()) {
    if (wish.empty() || wish.size() > kNameBytesMax) {
      return absl::InvalidArgumentError(
          fmt::format("a wish has {} bytes; 1 to {} are allowed", wish.size(), kNameBytesMax));
    }
  }
  return DetailOrder{Bounded(message.wishes()), message.recorder(), message.for_ns()};
}

void EncodeWishes(const Wishes& wishes, v1::Detail* message) {
  for (const std::string& wish : wishes.detail) message->add_queues(wish);
  for (const std::string& wish : wishes.recorder) message->add_recorder(wish);
  message->set_for_ns(wishes.for_ns);
}

Wishes DecodeWishes(const v1::Detail& message) {
  return {Bounded(message.queues()), Bounded(message.recorder()),
          std::clamp<int64_t>(message.for_ns(), 0, kDetailForMax_ns)};
}

void EncodeTrigger(const Trigger& trigger, v1::TriggerRequest* message) {
  message->set_source(trigger.source);
  for (const std::string& queue : trigger.queues) message->add_queues(queue);
  message->set_reason(trigger.reason);
  message->set_before_ns(trigger.before_ns);
  message->set_after_ns(trigger.after_ns);
}

Trigger DecodeTrigger(const v1::TriggerRequest& message) {
  Trigger trigger{.source = message.source(),
                  .queues = {message.queues().begin(), message.queues().end()},
                  .reason = message.reason(),
                  .before_ns = message.before_ns(),
                  .after_ns = message.after_ns()};
  // Each is one word of the fact that is stored.
  const auto parts_words = [](char c) { return c == ' ' || c == ','; };
  std::erase_if(trigger.source, parts_words);
  for (std::string& queue : trigger.queues) std::erase_if(queue, parts_words);
  std::erase_if(trigger.queues, [](const std::string& queue) { return queue.empty(); });
  if (trigger.source.empty()) trigger.source = "command";
  BoundTrigger(trigger);
  return trigger;
}

}  // namespace ringside
