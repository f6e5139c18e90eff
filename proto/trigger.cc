// SPDX-License-Identifier: Apache-2.0
#include "proto/trigger.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "proto/convert.h"
#include "proto/texts.h"

namespace ringside {
namespace {

// The number that follows `mark`; nothing if there is none.
std::optional<int> NumberAfter(std::string_view text, std::string_view mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + mark.size());
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || value < 0) return std::nullopt;
  return value;
}

std::string_view NextWord(std::string_view& text) {
  const size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::optional<int64_t> Span(std::string_view word, char sign) {
  if (word.empty() || word.front() != sign || word.back() != 's') return std::nullopt;
  const std::string seconds(word.substr(1, word.size() - 2));
  char* end = nullptr;
  const double value = std::strtod(seconds.c_str(), &end);
  if (seconds.empty() || *end != '\0' || !(value >= 0 && value <= 1e6)) return std::nullopt;
  return std::llround(value * 1e9);
}

double Seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace

void BoundTrigger(Trigger& trigger) {
  trigger.before_ns = std::clamp<int64_t>(trigger.before_ns, 0, kTriggerSpanMax_ns);
  trigger.after_ns = std::clamp<int64_t>(trigger.after_ns, 0, kTriggerSpanMax_ns);
  if (trigger.queues.size() > kTriggerQueuesMax) trigger.queues.resize(kTriggerQueuesMax);
  for (std::string& queue : trigger.queues) CleanText(queue, kNameBytesMax);
  CleanText(trigger.source, kNameBytesMax);
  CleanText(trigger.reason, kTextBytesMax / 2);
}

std::string TriggerText(const Trigger& trigger) {
  std::string queues;
  for (const std::string& queue : trigger.queues) queues += (queues.empty() ? "" : ",") + queue;
  return fmt::format("{} {} -{:.3f}s +{:.3f}s: {}", trigger.source, queues.empty() ? "-" : queues,
                     Seconds(trigger.before_ns), Seconds(trigger.after_ns), trigger.reason);
}

std::optional<Trigger> ParseTriggerText(std::string_view text) {
  Trigger trigger;
  trigger.source = NextWord(text);
  std::string_view queues = NextWord(text);
  const auto before = Span(NextWord(text), '-');
  std::string_view after_word = NextWord(text);
  if (after_word.empty() || after_word.back() != ':') return std::nullopt;
  after_word.remove_suffix(1);
  const auto after = Span(after_word, '+');
  if (trigger.source.empty() || queues.empty() || !before || !after) return std::nullopt;
  while (queues != "-" && !queues.empty()) {
    const size_t end = std::min(queues.find(','), queues.size());
    trigger.queues.emplace_back(queues.substr(0, end));
    queues.remove_prefix(std::min(end + 1, queues.size()));
  }
  trigger.before_ns = *before;
  trigger.after_ns = *after;
  trigger.reason = text;
  return trigger;
}

std::optional<LogSubject> SubjectOfLogLine(std::string_view line) {
  LogSubject subject;
  if (line.find("nobody cared") != std::string_view::npos) {
    subject.irq = NumberAfter(line, "irq ").value_or(-1);
    return subject;
  }
  if (const auto irq = NumberAfter(line, "Disabling IRQ #")) {
    subject.irq = *irq;
    return subject;
  }
  // "NETDEV WATCHDOG: eth0 (virtio_net): transmit queue 1 timed out"
  static constexpr std::string_view kWatchdog = "NETDEV WATCHDOG: ";
  const size_t at = line.find(kWatchdog);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = line.substr(at + kWatchdog.size());
  const std::string device(NextWord(rest));
  const auto queue = NumberAfter(line, "transmit queue ");
  if (queue) subject.queue = fmt::format("{}/tx{}", device, *queue);
  return subject;
}

}  // namespace ringside
