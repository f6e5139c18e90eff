// SPDX-License-Identifier: Apache-2.0
// What a collector asked of this agent and the agent has not yet taken. Used by GrpcSink, under its
// lock.
#ifndef RINGSIDE_AGENT_GRPC_ORDERS_H_
#define RINGSIDE_AGENT_GRPC_ORDERS_H_

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/sink.h"
#include "proto/control.h"

namespace ringside {

// Triggers between two steps of an agent, which takes them all.
inline constexpr size_t kTriggersMax = 64;

class GrpcOrders {
 public:
  using Time = std::chrono::steady_clock::time_point;

  void SetWishes(const Wishes& wishes, Time now) {
    detail_ = wishes.detail;
    recorder_ = wishes.recorder;
    until_.reset();
    if (wishes.for_ns > 0) until_ = now + std::chrono::nanoseconds(wishes.for_ns) + kGrace;
  }
  void AddTrigger(Trigger trigger) {
    if (triggers_.size() < kTriggersMax) triggers_.push_back(std::move(trigger));
  }

  std::optional<std::vector<std::string>> TakeDetail(Time now) {
    Expire(now);
    return std::exchange(detail_, std::nullopt);
  }
  Sink::RecorderRequest TakeRecorder(Time now) {
    Expire(now);
    return {std::exchange(recorder_, std::nullopt), std::exchange(triggers_, {})};
  }

 private:
  // The collector ends it, unless it is gone: then nobody else would.
  static constexpr std::chrono::seconds kGrace{2};
  void Expire(Time now) {
    if (!until_ || now < *until_) return;
    until_.reset();
    detail_.emplace();
    recorder_.emplace();
  }

  std::optional<std::vector<std::string>> detail_;
  std::optional<std::vector<std::string>> recorder_;
  std::vector<Trigger> triggers_;
  std::optional<Time> until_;
};

}  // namespace ringside

#endif  // RINGSIDE_AGENT_GRPC_ORDERS_H_
