// SPDX-License-Identifier: Apache-2.0
// Which details each queue of this node shall record: from the wishes (proto/detail_wish.h) to the
// words that the BPF programs look at. Wishes stay for queues that appear later. Agent thread only.
#ifndef RINGSIDE_AGENT_DETAILS_H_
#define RINGSIDE_AGENT_DETAILS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bpf/events.h"
#include "correlate/identity.h"
#include "proto/detail_wish.h"

namespace ringside {

// What is asked of one queue, all wishes together. Where two wishes name one kind, the record holds
// what either wants, and perhaps more: the lower threshold, the denser rate.
struct QueueDetail {
  uint32_t kinds = 0;  // EventBit of each
  std::array<rs_detail_filter, RS_EVENT_KINDS> of{};
};

// The names by which wishes can mean a queue of the node.
std::vector<std::string> QueueNames(const std::string& node, const QueueInfo& queue);

class Details {
 public:
  // `node` is this node's name, as wishes may use it.
  void SetNode(const std::string& node) { node_ = node; }
  // Replaces all wishes. What cannot be read as one is noted and left out.
  void SetWishes(const std::vector<std::string>& texts);
  // Of what is wanted, one of so many is recorded (0: none): what the governor leaves of it.
  void SetShare(uint32_t one_of) { one_of_ = one_of; }
  // The present ones, as text in one line; "off" if there are none.
  std::string Text() const;

  // What the queue shall record out of the kinds that can be recorded of it here.
  QueueDetail For(const QueueInfo& queue, uint32_t possible);
  // To be said to people, once each: wishes that cannot be read, that mean no queue here, or none
  // whose events can be recorded here. Call after every queue was asked for.
  std::vector<std::string> TakeNotes();

 private:
  struct Entry {
    DetailWish wish;
    bool meant = false;     // some queue
    bool possible = false;  // some kind of it
    bool judged = false;    // and what is to be said was said
  };
  std::string node_;
  uint32_t one_of_ = 1;
  std::vector<Entry> wishes_;
  std::vector<std::string> notes_;
};

// Detail words of one sort of slots, as the programs see them.
class DetailSlots {
 public:
  // `rows` is the object's table "details" (null: there is none); `own` are the kinds counted in
  // this sort of slots. `word(slot)` gives the place of a slot's word.
  DetailSlots(rs_detail_row* rows, uint32_t own) : rows_(rows), own_(own), words_(RS_MAX_SLOTS) {}
  void Begin() { std::fill(words_.begin(), words_.end(), 0); }
  // The slot's queue shall record this; filters are in place before the word asks for them.
  void Want(int slot, const QueueDetail& detail);
  // Slots that nothing was wanted of since Begin record nothing.
  template <typename Slot>
  void Commit(Slot* slots) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      if (slots[i].detail == words_[i]) continue;
      __atomic_store_n(&slots[i].detail, words_[i], __ATOMIC_RELEASE);
    }
  }

 private:
  rs_detail_row* rows_;
  uint32_t own_;
  std::vector<uint64_t> words_;
};

// A record has the low bits of its number, which lies less than 2^32 before its count now.
constexpr uint64_t FullNumber(uint64_t count_now, uint32_t number) {
  return count_now - static_cast<uint32_t>(static_cast<uint32_t>(count_now) - number);
}

}  // namespace ringside

#endif  // RINGSIDE_AGENT_DETAILS_H_
