// SPDX-License-Identifier: Apache-2.0
// What the host's tools of everoute/troubleshooting-tools print: kvm_irqfd_stats_summary (and
// _arm), vhost_eventfd_count.py, vhost_queue_correlation_simple and _details.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "cli/claims/readers.h"
#include "fmt/format.h"

namespace ringside {
namespace {

bool AnyLine(const ClaimText& text, std::string_view start) {
  return std::any_of(text.lines().begin(), text.lines().end(),
                     [&](const TextLine& line) { return TrimText(line.text).starts_with(start); });
}

// What stands after `key` at a line's start; nothing if the line is another.
std::optional<std::string_view> Field(std::string_view line, std::string_view key) {
  line = TrimText(line);
  if (!line.starts_with(key)) return std::nullopt;
  return TrimText(line.substr(key.size()));
}

std::string_view FirstWord(std::string_view text) {
  return text.substr(0, text.find_first_of(" \t,("));
}

constexpr char kIrqfdStart[] = "VM Interrupt Statistics Summary";

// One report after the other; each counts what came since the one before and clears its maps.
class IrqfdReader {
 public:
  explicit IrqfdReader(const ClaimText& text)
      : sink_(text.context(), "kvm_irqfd_stats_summary", "kvm_irqfd_stats_summary") {
    for (const TextLine& line : text.lines()) {
      if (!IsUtf8(line.text)) {
        sink_.Problem(line.number, "bytes that are not UTF-8");
      } else {
        Read(line);
      }
    }
    if (!gsi_.empty()) sink_.Problem(gsi_line_, "the text is cut: no number of interrupts follows");
    EndReport();
  }
  ClaimFile Finish() { return sink_.Take(); }

 private:
  void EndReport() {
    tally_.Emit(window_, &sink_);
    window_ = {};
    gsi_.clear();
    in_vm_ = false;
  }

  void Read(const TextLine& line) {
    const std::string_view text = TrimText(line.text);
    if (text.starts_with(kIrqfdStart)) return EndReport();
    if (const auto time = Field(text, "Timestamp:")) return ReadTime(*time, line.number);
    if (const auto interval = ValueAfter(text, "(Current Interval:")) {
      const auto ns = ParseSeconds(*interval);
      if (!ns) return sink_.Problem(line.number, "no interval: " + Quoted(*interval));
      // A time without a place still says how long.
      window_.length_ns = *ns;
      return;
    }
    if (text.starts_with("VM #")) return EndVm();
    if (const auto gsi = Field(text, "GSI:")) {
      gsi_ = "gsi:" + std::string(FirstWord(*gsi));
      gsi_line_ = line.number;
      return;
    }
    if (const auto count = Field(text, "Interrupts:")) {
      if (!gsi_.empty()) Number("irqfd_wakeup", gsi_, *count, line.number);
      gsi_.clear();
      return;
    }
    for (const auto& [key, name] :
         {std::pair("Arch set_irq calls:", "kvm_arch_set_irq_inatomic"),
          std::pair("kvm_set_msi calls:", "kvm_set_msi"),
          std::pair("vgic_queue calls:", "vgic_queue"),
          std::pair("populate_lr calls (actual injection):", "populate_lr")}) {
      const auto count = Field(text, key);
      if (count && in_vm_) Number(name, "", *count, line.number);
    }
    if (const auto count = Field(text, "Total Interrupts:"); count && in_vm_) {
      Number("irqfd_wakeup", "", *count, line.number);
    }
  }

  void EndVm() { in_vm_ = true; }

  void ReadTime(std::string_view time, int line) {
    const size_t blank = time.find(' ');
    const auto at = LocalTime(time.substr(0, blank),
                              blank == std::string_view::npos ? "" : time.substr(blank + 1));
    if (!at) return sink_.Problem(line, "no time: " + Quoted(time));
    window_.to_ns = at;
  }

  void Number(const char* name, const std::string& queue, std::string_view text, int line) {
    const ParsedCount count = ParseCount(FirstWord(text));
    if (!count.value) return sink_.Problem(line, count.why);
    tally_.Add(name, queue, *count.value, line);
  }

  ClaimSink sink_;
  ClaimTally tally_{"kprobe, maps read and cleared"};
  ClaimWindow window_;
  std::string gsi_;
  int gsi_line_ = 0;
  bool in_vm_ = false;
};

constexpr char kEventfdStart[] = "VQ_PTR";

// "0x... 0x... n": a vhost queue by its address, which only its kernel knows.
std::optional<std::string_view> EventfdCount(std::string_view line) {
  const std::vector<std::string_view> words = SplitWords(line);
  if (words.size() < 2 || !words[0].starts_with("0x") || !words[1].starts_with("0x")) {
    return std::nullopt;
  }
  return words.size() == 2 ? std::string_view() : words[2];
}

// An event of vhost_queue_correlation: its name, then its queue.
struct QueueEvents {
  int64_t signals = 0, notified = 0, not_notified = 0, sent = 0;
  std::optional<uint16_t> last_used;
  int64_t used = 0;
  int line = 0;
};

class CorrelationReader {
 public:
  explicit CorrelationReader(const ClaimText& text)
      : sink_(text.context(), "vhost_queue_correlation", "vhost_queue_correlation") {
    for (const TextLine& line : text.lines()) {
      if (!IsUtf8(line.text)) {
        sink_.Problem(line.number, "bytes that are not UTF-8");
      } else {
        Read(line);
      }
    }
    if (!event_.empty()) sink_.Problem(line_, "the text is cut in the middle of this event");
  }

  ClaimFile Finish() {
    for (const auto& [queue, events] : queues_) {
      const auto add = [&, &queue = queue, &events = events](const char* name, const char* count,
                                                             int64_t value) {
        if (value == 0) return;
        Claim claim;
        claim.name = name;
        claim.subject = SubjectByName(count);
        claim.queue = queue;
        claim.value = value;
        claim.method = "kprobe, events one by one";
        sink_.Add(std::move(claim), events.line);
      };
      add("vhost_signal events", "vhost.batches", events.signals);
      add("vhost_notify: YES", "vhost.signalled", events.notified);
      add("vhost_notify: NO", "vhost.suppressed", events.not_notified);
      add("tun_net_xmit events", "tun.offered", events.sent);
      // From the first event to the last: what came before the first is not in it.
      add("advance of last_used", "vhost.used", events.used);
    }
    if (queues_.empty()) sink_.Problem(0, "no event of a queue");
    return sink_.Take();
  }

 private:
  void Read(const TextLine& line) {
    const std::string_view text = TrimText(line.text);
    if (const auto event = Field(text, "Event:")) {
      if (!event_.empty()) sink_.Problem(line_, "an event without its queue");
      event_ = std::string(FirstWord(*event));
      line_ = line.number;
      current_ = nullptr;
      return;
    }
    if (const auto queue = Field(text, "Queue:"); queue && !event_.empty()) {
      return ReadQueue(*queue, text, line.number);
    }
    if (current_ == nullptr) return;
    if (const auto used = ValueAfter(text, "last_used="); used && text.starts_with("VQ State:")) {
      ReadUsed(*used, line.number);
    }
    if (name_ == "vhost_notify" && text.starts_with("VQ:")) {
      if (text.find("notify=YES") != std::string_view::npos) ++current_->notified;
      if (text.find("notify=NO") != std::string_view::npos) ++current_->not_notified;
    }
  }

  void ReadQueue(std::string_view queue, std::string_view text, int line) {
    const auto device = ValueAfter(text, "Device:");
    const ParsedCount number = ParseCount(FirstWord(queue));
    name_ = std::exchange(event_, "");
    if (!number.value || !device || device->empty()) {
      return sink_.Problem(line, "no queue: " + Quoted(text));
    }
    if (queues_.size() > kClaimsMax) return;
    current_ = &queues_[fmt::format("{}/rx{}", *device, *number.value)];
    if (current_->line == 0) current_->line = line_;
    if (name_ == "vhost_signal") ++current_->signals;
    if (name_ == "tun_net_xmit") ++current_->sent;
  }

  void ReadUsed(std::string_view text, int line) {
    const ParsedCount used = ParseCount(text);
    if (!used.value || *used.value > 0xffff) {
      return sink_.Problem(line, "no used index: " + Quoted(text));
    }
    const auto index = static_cast<uint16_t>(*used.value);
    if (current_->last_used) {
      const auto moved = static_cast<uint16_t>(index - *current_->last_used);
      // Events of several CPUs come a little out of order: half a turn back is no turn ahead.
      if (moved >= 0x8000) return;
      current_->used += moved;
    }
    current_->last_used = index;
  }

  ClaimSink sink_;
  std::map<std::string, QueueEvents> queues_;
  std::string event_;  // seen, its queue not yet
  std::string name_;   // of the event that lines belong to
  int line_ = 0;
  QueueEvents* current_ = nullptr;
};

}  // namespace

bool LooksLikeIrqfdStats(const ClaimText& text) { return AnyLine(text, kIrqfdStart); }
ClaimFile ReadIrqfdStats(const ClaimText& text) { return IrqfdReader(text).Finish(); }

bool LooksLikeEventfdCount(const ClaimText& text) {
  return AnyLine(text, kEventfdStart) ||
         AnyLine(text, "Counting vhost_virtqueue + eventfd_ctx combinations");
}

ClaimFile ReadEventfdCount(const ClaimText& text) {
  ClaimSink sink(text.context(), "vhost_eventfd_count", "vhost_eventfd_count");
  int64_t last = 0, sum = 0, report = 0;
  bool cleared = false;
  int line_of = 0;
  // Each report is a table; without --clear its numbers only grow.
  const auto end_report = [&] {
    if (report < last) cleared = true;
    last = report;
    sum += report;
    report = 0;
  };
  for (const TextLine& line : text.lines()) {
    if (TrimText(line.text).starts_with(kEventfdStart)) end_report();
    const auto number = EventfdCount(line.text);
    if (!number) continue;
    const ParsedCount count = ParseCount(*number);
    if (!count.value || *count.value > kClaimMax / 1'000'000) {
      sink.Problem(line.number, count.value ? "too large for a count" : count.why);
      continue;
    }
    report = std::min(report + *count.value, kClaimMax / 1'000'000);
    if (line_of == 0) line_of = line.number;
  }
  end_report();
  if (line_of == 0) {
    sink.Problem(0, "no line with a count");
    return sink.Take();
  }
  Claim claim;
  claim.name = "vhost_add_used_and_signal_n";
  claim.value = cleared ? std::min(sum, kClaimMax) : last;
  claim.method = cleared ? "kprobe, maps read and cleared" : "kprobe";
  sink.Add(std::move(claim), line_of);
  return sink.Take();
}

bool LooksLikeQueueCorrelation(const ClaimText& text) {
  return AnyLine(text, "Event: vhost_signal") || AnyLine(text, "Event: vhost_notify") ||
         AnyLine(text, "Event: tun_net_xmit") || AnyLine(text, "Event: handle_rx");
}
ClaimFile ReadQueueCorrelation(const ClaimText& text) { return CorrelationReader(text).Finish(); }

}  // namespace ringside
