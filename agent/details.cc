// SPDX-License-Identifier: Apache-2.0
#include "agent/details.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ringside {
namespace {

static_assert(RS_EVENT_KINDS == kEventKindMax + 1);
static_assert(RS_EVENT_GUEST_IRQ == static_cast<int>(EventKind::kGuestIrq));
static_assert(RS_EVENT_GUEST_HANDLED == static_cast<int>(EventKind::kGuestHandled));
static_assert(RS_EVENT_GUEST_NONE == static_cast<int>(EventKind::kGuestNone));
static_assert(RS_EVENT_NAPI_SOFTIRQ == static_cast<int>(EventKind::kGuestNapiSoftirq));
static_assert(RS_EVENT_NAPI_BUSY == static_cast<int>(EventKind::kGuestNapiBusy));
static_assert(RS_EVENT_NAPI_THREAD == static_cast<int>(EventKind::kGuestNapiThread));
static_assert(RS_EVENT_NAPI_NETPOLL == static_cast<int>(EventKind::kGuestNapiNetpoll));
static_assert(RS_EVENT_TUN_ENQUEUED == static_cast<int>(EventKind::kTunEnqueued));
static_assert(RS_EVENT_TUN_DROPPED == static_cast<int>(EventKind::kTunDropped));
static_assert(RS_EVENT_VHOST_SIGNALLED == static_cast<int>(EventKind::kVhostSignalled));
static_assert(RS_EVENT_VHOST_SUPPRESSED == static_cast<int>(EventKind::kVhostSuppressed));
static_assert(RS_EVENT_VHOST_UNWIRED == static_cast<int>(EventKind::kVhostUnwired));
static_assert(RS_EVENT_EVENTFD_WRITTEN == static_cast<int>(EventKind::kEventfdWritten));
static_assert(RS_EVENT_IRQFD_WOKEN == static_cast<int>(EventKind::kIrqfdWoken));
static_assert(RS_EVENT_KVM_INJECTED == static_cast<int>(EventKind::kKvmInjected));
static_assert(RS_EVENT_KVM_MERGED == static_cast<int>(EventKind::kKvmMerged));
static_assert(RS_EVENT_KVM_REJECTED == static_cast<int>(EventKind::kKvmRejected));
static_assert(RS_EVENT_KVM_SLOWPATH == static_cast<int>(EventKind::kKvmSlowpath));
static_assert(RS_EVENT_VHOST_BATCHES == static_cast<int>(EventKind::kVhostBatches));
static_assert(RS_EVENT_VCPU_WOKEN == static_cast<int>(EventKind::kVcpuWoken));
static_assert(RS_EVENT_VCPU_RUNS == static_cast<int>(EventKind::kVcpuRuns));
static_assert(RS_EVENT_WRITER_RETURNED == static_cast<int>(EventKind::kWriterReturned));
static_assert(RS_EVENT_WRITER_FORWARDED == static_cast<int>(EventKind::kWriterForwarded));

std::string KindNames(uint32_t kinds) {
  std::string names;
  for (uint16_t kind = 1; kind <= kEventKindMax; ++kind) {
    if ((kinds & EventBit(static_cast<EventKind>(kind))) == 0) continue;
    const std::string_view name = EventKindName(kind);
    absl::StrAppend(&names, names.empty() ? "" : ", ", std::string(name));
  }
  return names;
}

}  // namespace

void Details::SetWishes(const std::vector<std::string>& texts) {
  wishes_.clear();
  notes_.clear();
  for (const std::string& text : texts) {
    auto wish = ParseDetailWish(text);
    if (!wish.ok()) {
      notes_.emplace_back(wish.status().message());
    } else if (wishes_.size() < kDetailWishesMax) {
      wishes_.push_back({.wish = *std::move(wish)});
    } else {
      notes_.push_back(
          absl::StrCat("detail '", text, "': more than ", kDetailWishesMax, " wishes at a time"));
    }
  }
}

std::string Details::Text() const {
  std::string text;
  for (const Entry& entry : wishes_)
    absl::StrAppend(&text, text.empty() ? "" : " ", entry.wish.text);
  return text.empty() ? "off" : text;
}

std::vector<std::string> QueueNames(const std::string& node, const QueueInfo& queue) {
  const std::string own = queue.device + "/" + queue.queue;
  std::vector<std::string> names = {own, node + "/" + own};
  if (!queue.vm_name.empty()) names.push_back(queue.vm_name + "/" + own);
  return names;
}

QueueDetail Details::For(const QueueInfo& queue, uint32_t possible) {
  const std::vector<std::string> names = QueueNames(node_, queue);
  QueueDetail detail;
  for (Entry& entry : wishes_) {
    if (!WishMeans(entry.wish, names)) continue;
    entry.meant = true;
    const uint32_t kinds = entry.wish.kinds & possible;
    entry.possible |= kinds != 0;
    for (uint16_t kind = 1; kind <= kEventKindMax; ++kind) {
      const uint32_t bit = EventBit(static_cast<EventKind>(kind));
      if ((kinds & bit) == 0) continue;
      rs_detail_filter& filter = detail.of[kind];
      const bool first = (detail.kinds & bit) == 0;
      filter.least = first ? entry.wish.least : std::min(filter.least, entry.wish.least);
      filter.every = first ? entry.wish.every : std::min(filter.every, entry.wish.every);
      detail.kinds |= bit;
    }
  }
  if (one_of_ == 0) return {};
  constexpr uint32_t kRateMax = 65535;  // rs_event.rate
  for (rs_detail_filter& filter : detail.of)
    filter.every = std::min(filter.every * one_of_, kRateMax);
  return detail;
}

std::vector<std::string> Details::TakeNotes() {
  for (Entry& entry : wishes_) {
    if (entry.judged) continue;
    entry.judged = true;
    if (!entry.meant) {
      notes_.push_back(absl::StrCat("detail '", entry.wish.text,
                                    "': means no queue here so far; it stays for new ones"));
    } else if (!entry.possible) {
      notes_.push_back(absl::StrCat("detail '", entry.wish.text, "': of these queues nothing here ",
                                    "records ", KindNames(entry.wish.kinds)));
    }
  }
  return std::exchange(notes_, {});
}

void DetailSlots::Want(int slot, const QueueDetail& detail) {
  if (slot < 0 || slot >= RS_MAX_SLOTS) return;
  uint64_t word = detail.kinds & own_;
  for (uint32_t kind = 1; kind < RS_EVENT_KINDS; ++kind) {
    if ((word >> kind & 1) == 0) continue;
    const rs_detail_filter& filter = detail.of[kind];
    if (filter.least == 0 && filter.every <= 1) continue;
    if (rows_ == nullptr) continue;
    rows_[slot].of[kind] = filter;
    word |= uint64_t{1} << (RS_DETAIL_FILTERED + kind);
  }
  words_[static_cast<size_t>(slot)] = word;
}

}  // namespace ringside
