// SPDX-License-Identifier: Apache-2.0
// Whose details are wanted: text that people give and that travels as it is (Detail.queues).
//
//   QUEUE[:STAGE[,STAGE...]][>DURATION|>N][@1/N]
//
//   QUEUE   a queue's name (eth0/rx1, vm1/eth0/rx1, tap0/rx1), "all", or a glob with * and ? over
//           either (vm1/*, */rx*); * matches slashes, too
//   STAGE   an event's name (guest.irq) or the front of some up to a dot (guest, guest.napi); none:
//           all but writer.forwarded, whose user probe slows a polling thread
//   >50us   only those that took longer; takes events that have a time (EventValue::kNs)
//   >8      only those of more packets, bytes or entries
//   @1/N    each Nth, by number: 1 to 65,535
//
// Used by the command line, the collector (to refuse early) and the agent. Pure, any thread.
#ifndef RINGSIDE_PROTO_DETAIL_WISH_H_
#define RINGSIDE_PROTO_DETAIL_WISH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "correlate/event_kinds.h"

namespace ringside {

constexpr uint32_t EventBit(EventKind kind) { return uint32_t{1} << static_cast<uint16_t>(kind); }

struct DetailWish {
  std::string text;    // as given
  std::string queue;   // name or glob
  uint32_t kinds = 0;  // EventBit of each
  uint32_t least = 0;  // value at least; 0: any
  uint32_t every = 1;  // each Nth
  friend bool operator==(const DetailWish&, const DetailWish&) = default;
};

inline constexpr size_t kDetailWishesMax = 256;  // each is matched with every queue, each second
inline constexpr size_t kDetailWishBytesMax = 256;

// INVALID_ARGUMENT with one clear line.
absl::StatusOr<DetailWish> ParseDetailWish(std::string_view text);
absl::StatusOr<std::vector<DetailWish>> ParseDetailWishes(const std::vector<std::string>& texts);

// Whether the wish means the queue that has these names. A clone's mark in the wish (vm1~2) is not
// looked at: a node does not know it.
bool WishMeans(const DetailWish& wish, const std::vector<std::string>& names);

}  // namespace ringside

#endif  // RINGSIDE_PROTO_DETAIL_WISH_H_
