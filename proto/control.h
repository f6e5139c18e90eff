// SPDX-License-Identifier: Apache-2.0
// What people ask a running collector for, as plain values, and the only place where these and
// triggers meet the wire. Decoding bounds and cleans; what it gives is safe to pass on. Pure, any
// thread.
#ifndef RINGSIDE_PROTO_CONTROL_H_
#define RINGSIDE_PROTO_CONTROL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/trigger.h"

namespace ringside {

namespace v1 {
class Detail;
class SetDetailRequest;
class TriggerRequest;
}  // namespace v1

inline constexpr size_t kWishesMax = 256;
inline constexpr int64_t kDetailForMax_ns = int64_t{86'400} * 1'000'000'000;  // a day

// `ringside detail`: wishes as in proto/detail_wish.h.
struct DetailOrder {
  std::vector<std::string> wishes;  // replace the ones before; none: off
  bool recorder = false;            // of the flight recorder
  int64_t for_ns = 0;               // then what the collector was started with; 0: until it ends
  friend bool operator==(const DetailOrder&, const DetailOrder&) = default;
};

// What agents are told to record.
struct Wishes {
  std::vector<std::string> detail;    // sent as it comes
  std::vector<std::string> recorder;  // kept, for a trigger
  int64_t for_ns = 0;                 // the agent forgets them by itself after that; 0: never
  friend bool operator==(const Wishes&, const Wishes&) = default;
};

void EncodeDetailOrder(const DetailOrder& order, v1::SetDetailRequest* message);
absl::StatusOr<DetailOrder> DecodeDetailOrder(const v1::SetDetailRequest& message);
void EncodeWishes(const Wishes& wishes, v1::Detail* message);
Wishes DecodeWishes(const v1::Detail& message);
void EncodeTrigger(const Trigger& trigger, v1::TriggerRequest* message);
Trigger DecodeTrigger(const v1::TriggerRequest& message);

}  // namespace ringside

#endif  // RINGSIDE_PROTO_CONTROL_H_
