// SPDX-License-Identifier: Apache-2.0
// What the guest's tools of everoute/troubleshooting-tools print: virtnet_irq_monitor and
// virtnet_poll_monitor. (Their bpftrace scripts print maps: bpftrace.cc.)
#include <algorithm>
#include <string>
#include <utility>

#include "cli/claims/readers.h"
#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr char kReport[] = "IRQ Statistics Report -";

// Reports of an interval each, to the second; the maps are cleared after each.
class IrqMonitorReader {
 public:
  explicit IrqMonitorReader(const ClaimText& text)
      : context_(text.context()),
        sink_(text.context(), "virtnet_irq_monitor", "virtnet_irq_monitor") {
    for (const TextLine& line : text.lines()) {
      if (IsUtf8(line.text)) {
        Read(line);
      } else {
        sink_.Problem(line.number, "bytes that are not UTF-8");
      }
    }
    tally_.Emit(window_, &sink_);
  }
  ClaimFile Finish() { return sink_.Take(); }

 private:
  void Read(const TextLine& line) {
    const std::string_view text = TrimText(line.text);
    if (text.starts_with("Reporting interval:")) {
      const auto seconds = ValueAfter(text, "Reporting interval:");
      const auto ns = ParseSeconds(*seconds);
      if (ns && *ns > 0) interval_ns_ = *ns;
    } else if (text.starts_with(kReport)) {
      BeginReport(TrimText(text.substr(sizeof(kReport) - 1)), line.number);
    } else if (text.starts_with("IRQ ") && text.ends_with("):")) {
      const std::string_view number = text.substr(4, text.find_first_of(" (", 4) - 4);
      queue_ = ParseCount(number).value ? "irq:" + std::string(number) : "";
      if (queue_.empty()) sink_.Problem(line.number, "no interrupt: " + Quoted(text));
    } else if (const auto calls = ValueAfter(text, "Total Calls:"); calls && !queue_.empty()) {
      Number("irq_handler_entry", *calls, line.number);
    } else if (text.find("IRQ_NONE:") != std::string_view::npos ||
               text.find("IRQ_HANDLED:") != std::string_view::npos) {
      ReadReturns(text, line.number);
    }
  }

  void BeginReport(std::string_view clock, int line) {
    tally_.Emit(window_, &sink_);
    window_ = {};
    queue_.clear();
    const auto time = ParseTime(clock, context_.zero_ns);
    if (!time.ok()) return sink_.Problem(line, "no time: " + Quoted(clock));
    if (!interval_ns_) return;  // over which time, nobody tells
    window_.to_ns = *time;
    window_.length_ns = *interval_ns_;
    window_.slack_ns = 1'000'000'000;
  }

  void ReadReturns(std::string_view text, int line) {
    if (queue_.empty()) return;
    for (const auto& [key, name] :
         {std::pair("IRQ_NONE:", "irq_none"), std::pair("IRQ_HANDLED:", "irq_handled")}) {
      if (const auto count = ValueAfter(text, key)) Number(name, *count, line);
    }
  }

  void Number(const char* name, std::string_view text, int line) {
    const ParsedCount count = ParseCount(text);
    if (!count.value) return sink_.Problem(line, count.why);
    tally_.Add(name, queue_, *count.value, line);
  }

  ClaimContext context_;
  ClaimSink sink_;
  ClaimTally tally_{"tracepoint, maps read and cleared"};
  ClaimWindow window_;
  std::optional<int64_t> interval_ns_;
  std::string queue_;
};

bool IsPollEvent(std::string_view line) {
  return line.find("] virtnet_poll ENTRY:") != std::string_view::npos ||
         line.find("] virtnet_poll EXIT:") != std::string_view::npos ||
         line.find("] skb_recv_done:") != std::string_view::npos;
}

void ReadPollEvent(const TextLine& line, ClaimTally* tally, ClaimSink* sink) {
  const auto device = ValueAfter(line.text, "dev=");
  const auto number = ValueAfter(line.text, "queue=");
  if (!device || !number || device->empty() || !ParseCount(*number).value) {
    return sink->Problem(line.number, "an event without device and queue: " + Quoted(line.text));
  }
  const std::string queue = fmt::format("{}/rx{}", *device, *number);
  if (line.text.find("] skb_recv_done:") != std::string_view::npos) {
    return tally->Add("skb_recv_done", queue, 1, line.number);
  }
  if (line.text.find("] virtnet_poll ENTRY:") != std::string_view::npos) {
    return tally->Add("virtnet_poll", queue, 1, line.number);
  }
  const auto processed = ValueAfter(line.text, "processed=");
  const std::string_view packets = processed ? processed->substr(0, processed->find('/')) : "";
  const ParsedCount count = ParseCount(packets);
  if (!count.value) return sink->Problem(line.number, "packets processed: " + count.why);
  tally->Add("guest.packets", queue, *count.value, line.number);
}

}  // namespace

bool LooksLikeIrqMonitor(const ClaimText& text) {
  return std::any_of(text.lines().begin(), text.lines().end(),
                     [](const TextLine& line) { return TrimText(line.text).starts_with(kReport); });
}
ClaimFile ReadIrqMonitor(const ClaimText& text) { return IrqMonitorReader(text).Finish(); }

bool LooksLikePollMonitor(const ClaimText& text) {
  return std::any_of(text.lines().begin(), text.lines().end(),
                     [](const TextLine& line) { return IsPollEvent(line.text); });
}

ClaimFile ReadPollMonitor(const ClaimText& text) {
  ClaimSink sink(text.context(), "virtnet_poll_monitor", "virtnet_poll_monitor");
  ClaimTally tally("kprobe, events one by one");
  for (const TextLine& line : text.lines()) {
    if (!IsUtf8(line.text)) {
      sink.Problem(line.number, "bytes that are not UTF-8");
    } else if (IsPollEvent(line.text)) {
      ReadPollEvent(line, &tally, &sink);
    }
  }
  tally.Emit({}, &sink);
  return sink.Take();
}

}  // namespace ringside
