// SPDX-License-Identifier: Apache-2.0
#include "proto/detail_wish.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

namespace ringside {
namespace {

constexpr uint32_t kEveryMax = 65535;  // rs_event.rate has 16 bits
// What a wish without stages means: all but the probe of user functions that poll without a pause.
constexpr uint32_t kUnnamedKinds =
    ((uint32_t{1} << kEventKindMax) - 1) << 1 & ~EventBit(EventKind::kWriterForwarded);

absl::Status Wrong(std::string_view text, const std::string& why) {
  return absl::InvalidArgumentError(fmt::format("detail '{}': {}", text, why));
}

uint32_t KindsCalled(std::string_view stage) {
  uint32_t kinds = 0;
  for (uint16_t kind = 1; kind <= kEventKindMax; ++kind) {
    const std::string_view name = EventKindName(kind);
    const bool front =
        name.size() > stage.size() && name.starts_with(stage) && name[stage.size()] == '.';
    if (name == stage || front) kinds |= EventBit(static_cast<EventKind>(kind));
  }
  return kinds;
}

std::string AllKindNames() {
  std::string names;
  for (uint16_t kind = 1; kind <= kEventKindMax; ++kind) {
    names += kind == 1 ? "" : ", ";
    names += EventKindName(kind);
  }
  return names;
}

// The number at the front of `text`, which loses it.
std::optional<uint64_t> TakeNumber(std::string_view& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

std::optional<uint64_t> UnitNs(std::string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us") return 1'000;
  if (unit == "ms") return 1'000'000;
  if (unit == "s") return 1'000'000'000;
  return std::nullopt;
}

bool HasValue(uint16_t kind, bool time) {
  const EventValue value = EventValueOf(static_cast<EventKind>(kind));
  if (time) return value == EventValue::kNs;
  return value == EventValue::kPackets || value == EventValue::kBytes ||
         value == EventValue::kEntries;
}

// `text` is what follows '>'. Kinds that have nothing to compare with it are left out.
absl::Status ApplyThreshold(std::string_view text, DetailWish* wish) {
  std::string_view rest = text;
  const std::optional<uint64_t> number = TakeNumber(rest);
  const std::optional<uint64_t> unit = rest.empty() ? 1 : UnitNs(rest);
  if (!number || !unit) {
    return Wrong(wish->text, fmt::format("'>{}': a time (50us) or a number follows >", text));
  }
  const bool time = !rest.empty();
  if (*number >= UINT32_MAX / *unit) {
    return Wrong(wish->text, fmt::format("'>{}' is beyond what a record holds ({})", text,
                                         time ? "4.2s" : "4,294,967,294"));
  }
  uint32_t kinds = 0;
  for (uint16_t kind = 1; kind <= kEventKindMax; ++kind) {
    const uint32_t bit = EventBit(static_cast<EventKind>(kind));
    if ((wish->kinds & bit) != 0 && HasValue(kind, time)) kinds |= bit;
  }
  if (kinds == 0) {
    return Wrong(wish->text, time ? "none of these events has a time"
                                  : "none of these events has a number of packets or the like");
  }
  wish->kinds = kinds;
  wish->least = static_cast<uint32_t>(*number * *unit) + 1;
  return absl::OkStatus();
}

absl::Status ApplyStages(std::string_view stages, DetailWish* wish) {
  while (true) {
    const size_t comma = stages.find(',');
    const std::string_view stage = stages.substr(0, comma);
    const uint32_t kinds = KindsCalled(stage);
    if (kinds == 0) {
      return Wrong(wish->text,
                   fmt::format("no event is called '{}'; there are {}", stage, AllKindNames()));
    }
    wish->kinds |= kinds;
    if (comma == std::string_view::npos) return absl::OkStatus();
    stages.remove_prefix(comma + 1);
  }
}

absl::Status ApplyRate(std::string_view text, DetailWish* wish) {
  std::string_view rest = text;
  std::optional<uint64_t> every;
  if (rest.starts_with("1/")) {
    rest.remove_prefix(2);
    every = TakeNumber(rest);
  }
  if (!every || !rest.empty() || *every < 1 || *every > kEveryMax) {
    return Wrong(wish->text, fmt::format("'@{}': @1/N takes each Nth, N from 1 to 65,535", text));
  }
  wish->every = static_cast<uint32_t>(*every);
  return absl::OkStatus();
}

bool Glob(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// "vm1~2/eth0/rx1" without "~2".
std::string WithoutCloneMark(const std::string& queue) {
  const size_t mark = queue.find('~');
  const size_t slash = queue.find('/');
  if (mark == std::string::npos || slash == std::string::npos || mark > slash) return queue;
  return queue.substr(0, mark) + queue.substr(slash);
}

}  // namespace

absl::StatusOr<DetailWish> ParseDetailWish(std::string_view text) {
  DetailWish wish{.text = std::string(text)};
  if (text.size() > kDetailWishBytesMax) {
    wish.text.resize(40);
    return Wrong(wish.text + "...", fmt::format("longer than {} bytes", kDetailWishBytesMax));
  }
  std::string_view rest = text;
  const auto take = [&rest](char mark) -> std::optional<std::string_view> {
    const size_t at = rest.find(mark);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view tail = rest.substr(at + 1);
    rest = rest.substr(0, at);
    return tail;
  };
  const auto rate = take('@');
  const auto threshold = take('>');
  const auto stages = take(':');
  wish.queue = rest;
  if (wish.queue.empty()) return Wrong(text, "no queue is named (a name, a glob, or all)");
  if (wish.queue != "all" && wish.queue.find_first_of("/*") == std::string::npos) {
    return Wrong(text, fmt::format("'{}' is no queue's name: DEVICE/QUEUE, a glob, or all", rest));
  }
  if (!stages) wish.kinds = kUnnamedKinds;
  absl::Status status = stages ? ApplyStages(*stages, &wish) : absl::OkStatus();
  if (status.ok() && threshold) status = ApplyThreshold(*threshold, &wish);
  if (status.ok() && rate) status = ApplyRate(*rate, &wish);
  if (!status.ok()) return status;
  return wish;
}

absl::StatusOr<std::vector<DetailWish>> ParseDetailWishes(const std::vector<std::string>& texts) {
  if (texts.size() > kDetailWishesMax) {
    return absl::InvalidArgumentError(
        fmt::format("{} wishes for details, at most {} at a time", texts.size(), kDetailWishesMax));
  }
  std::vector<DetailWish> wishes;
  for (const std::string& text : texts) {
    auto wish = ParseDetailWish(text);
    if (!wish.ok()) return wish.status();
    wishes.push_back(*std::move(wish));
  }
  return wishes;
}

bool WishMeans(const DetailWish& wish, const std::vector<std::string>& names) {
  if (wish.queue == "all") return true;
  const std::string pattern = WithoutCloneMark(wish.queue);
  for (const std::string& name : names) {
    if (Glob(pattern, name)) return true;
  }
  return false;
}

}  // namespace ringside
