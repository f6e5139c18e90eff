// SPDX-License-Identifier: Apache-2.0
#include "cli/witness/witness_text.h"

#include <algorithm>

#include "cli/claims/reader.h"
#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr std::string_view kSection = "### ";
constexpr uint64_t kCountMax = uint64_t{1} << 50;
constexpr int kIrqMax = 1 << 20;
constexpr size_t kWordMax = 256;

// "key value": the first word, and the rest of the line.
std::pair<std::string_view, std::string_view> KeyValue(std::string_view line) {
  const std::string_view text = TrimText(line);
  const size_t blank = text.find_first_of(" \t");
  if (blank == std::string_view::npos) return {text, {}};
  return {text.substr(0, blank), TrimText(text.substr(blank))};
}

class Parser {
 public:
  Parser(std::string text, const std::string& file)
      : text_(std::move(text), ClaimContext{.file = file}), sink_(text_.context(), "", "") {}

  WitnessText Parse();

 private:
  using Handler = void (Parser::*)(const TextLine&);

  void Open(const TextLine& line);
  void OpenFile(std::string_view path);
  void OpenCommand(const std::vector<std::string_view>& words);
  void OpenReading();
  void TakeClock(const TextLine& line, const std::vector<std::string_view>& words);
  void TakeAbout(const TextLine& line);
  void TakeDevice(const TextLine& line);
  void TakeIrq(const TextLine& line);
  void TakeInterrupts(const TextLine& line);
  void TakeSoftnet(const TextLine& line);
  void TakeSetting(const TextLine& line);
  void TakeEthtool(const TextLine& line);
  void TakeAdjtimex(const TextLine& line);
  void TakeTask(const TextLine& line);
  void TakeLog(const TextLine& line);

  void Problem(const TextLine& line, std::string text) {
    sink_.Problem(line.number, std::move(text));
  }
  // The present reading; null, with a problem, outside of one.
  WitnessReading* Reading(const TextLine& line);
  void AddFact(const TextLine& line, std::string name, std::string_view value);

  ClaimText text_;
  ClaimSink sink_;
  WitnessText witness_;
  Handler handler_ = nullptr;
  std::string subject_;  // of the present section: a device, a setting, a nic
  int irq_ = -1;
  size_t cpus_ = 0;  // columns of the present /proc/interrupts
  bool facts_full_ = false;
};

WitnessReading* Parser::Reading(const TextLine& line) {
  if (!witness_.readings.empty()) return &witness_.readings.back();
  Problem(line, "outside of a reading");
  handler_ = nullptr;
  return nullptr;
}

void Parser::AddFact(const TextLine& line, std::string name, std::string_view value) {
  if (name.size() > kWordMax || value.size() > 4 * kWordMax || value.empty()) return;
  size_t facts = witness_.facts.size();
  for (const WitnessReading& reading : witness_.readings) facts += reading.facts.size();
  if (facts >= kWitnessFactsMax) {
    if (!facts_full_) Problem(line, "too many facts: the rest is left out");
    facts_full_ = true;
    return;
  }
  auto& list = witness_.readings.empty() ? witness_.facts : witness_.readings.back().facts;
  list.emplace_back(std::move(name), std::string(value));
}

void Parser::OpenFile(std::string_view path) {
  constexpr std::string_view kSettings = "/proc/sys/";
  handler_ = nullptr;
  if (path == "/proc/interrupts") {
    cpus_ = 0;
    handler_ = &Parser::TakeInterrupts;
  } else if (path == "/proc/net/softnet_stat") {
    handler_ = &Parser::TakeSoftnet;
  } else if (path.starts_with(kSettings)) {
    subject_ = std::string(path.substr(kSettings.size()));
    std::replace(subject_.begin(), subject_.end(), '/', '.');
    handler_ = &Parser::TakeSetting;
  } else if (path == "/sys/module/spurious/parameters/noirqdebug") {
    subject_ = "kernel.noirqdebug";
    handler_ = &Parser::TakeSetting;
  }
}

void Parser::OpenCommand(const std::vector<std::string_view>& words) {
  handler_ = nullptr;
  if (words.size() == 4 && words[1] == "ethtool" && words[2] == "-S") {
    subject_ = std::string(words[3].substr(0, kWordMax));
    handler_ = &Parser::TakeEthtool;
  } else if (words.size() == 2 && words[1] == "adjtimex") {
    handler_ = &Parser::TakeAdjtimex;
  }
}

void Parser::OpenReading() {
  handler_ = nullptr;
  if (witness_.readings.size() < kWitnessReadingsMax) witness_.readings.emplace_back();
}

void Parser::Open(const TextLine& line) {
  const auto words = SplitWords(line.text.substr(kSection.size()));
  const std::string_view kind = words.empty() ? std::string_view() : words[0];
  const std::string_view about = words.size() > 1 ? words[1] : std::string_view();
  handler_ = nullptr;
  subject_ = std::string(about.substr(0, kWordMax));
  if (kind == "about") {
    handler_ = &Parser::TakeAbout;
  } else if (kind == "device") {
    if (words.size() > 2 && witness_.netdevs.size() < kWitnessQueuesMax) {
      witness_.netdevs[subject_] = std::string(words[2].substr(0, kWordMax));
      subject_ = witness_.netdevs[subject_];
    }
    handler_ = &Parser::TakeDevice;
  } else if (kind == "file") {
    OpenFile(about);
  } else if (kind == "command") {
    OpenCommand(words);
  } else if (kind == "reading") {
    OpenReading();
  } else if (kind == "clock") {
    TakeClock(line, words);
  } else if (kind == "irq") {
    const ParsedCount number = ParseCount(about);
    if (!number.value || *number.value > kIrqMax) return Problem(line, "no interrupt's number");
    irq_ = static_cast<int>(*number.value);
    handler_ = &Parser::TakeIrq;
  } else if (kind == "tasks") {
    handler_ = &Parser::TakeTask;
  } else if (kind == "nic") {
    subject_ = std::string(TrimText(line.text.substr(kSection.size() + 3)).substr(0, kWordMax));
    handler_ = &Parser::TakeDevice;
  } else if (kind == "log") {
    handler_ = &Parser::TakeLog;
  } else if (kind == "end") {
    witness_.complete = true;
  } else {
    Problem(line, "a section that ringside does not know: " + Quoted(kind));
  }
}

void Parser::TakeClock(const TextLine& line, const std::vector<std::string_view>& words) {
  WitnessReading* reading = Reading(line);
  if (reading == nullptr) return;
  if (words.size() != 4) return Problem(line, "no clock reading (REALTIME BOOT REALTIME)");
  const auto before = ParseSeconds(words[1]);
  const auto boot = ParseSeconds(words[2]);
  const auto after = ParseSeconds(words[3]);
  if (!before || !boot || !after) return Problem(line, "no clock reading (REALTIME BOOT REALTIME)");
  if (*after < *before) return Problem(line, "the clock was set back between two readings of it");
  const bool whole = words[3].find('.') == std::string_view::npos;  // seconds, rounded down
  const int64_t to_ns = *after + (whole ? 999'999'999 : 0);
  const WitnessClock clock{*boot, *before, to_ns};
  if (!reading->begin) reading->begin = clock;
  if (clock.boot_ns < reading->begin->boot_ns) return Problem(line, "time since boot went back");
  reading->end = clock;
}

void Parser::TakeAbout(const TextLine& line) {
  const auto [key, value] = KeyValue(line.text);
  if (key.empty() || value.size() > kWordMax || witness_.about.size() >= 32) return;
  if (!IsUtf8(line.text)) return Problem(line, "bytes that are not UTF-8");
  witness_.about[std::string(key.substr(0, kWordMax))] = std::string(value);
}

void Parser::TakeDevice(const TextLine& line) {
  const auto [key, value] = KeyValue(line.text);
  if (!IsUtf8(line.text)) return Problem(line, "bytes that are not UTF-8");
  if (!key.empty() && !subject_.empty()) AddFact(line, subject_ + "." + std::string(key), value);
}

void Parser::TakeSetting(const TextLine& line) {
  if (!IsUtf8(line.text)) return Problem(line, "bytes that are not UTF-8");
  AddFact(line, subject_, TrimText(line.text));
  handler_ = nullptr;  // settings are one line
}

void Parser::TakeIrq(const TextLine& line) {
  const auto [key, value] = KeyValue(line.text);
  const bool rule = key == "count" || key == "unhandled" || key == "last_unhandled";
  if (!rule) {
    auto& irq = witness_.irqs[irq_];
    if (witness_.irqs.size() > kWitnessQueuesMax || irq.size() >= 16) return;
    if (!IsUtf8(line.text) || value.size() > kWordMax) return Problem(line, "not a setting");
    irq[std::string(key.substr(0, kWordMax))] = std::string(value);
    return;
  }
  WitnessReading* reading = Reading(line);
  if (reading == nullptr) return;
  const ParsedCount number = ParseCount(value.substr(0, value.find(' ')));
  if (!number.value || *number.value > UINT32_MAX) {
    return Problem(line, std::string(key) + ": " + (number.value ? "too large" : number.why));
  }
  SpuriousNumbers& numbers = reading->spurious[irq_];
  const auto as32 = static_cast<uint32_t>(*number.value);
  (key == "count"       ? numbers.count
   : key == "unhandled" ? numbers.unhandled
                        : numbers.last_unhandled_ms) = as32;
}

void Parser::TakeInterrupts(const TextLine& line) {
  WitnessReading* reading = Reading(line);
  if (reading == nullptr) return;
  const std::vector<std::string_view> words = SplitWords(line.text);
  if (words.empty()) return;
  if (words[0].starts_with("CPU")) {
    cpus_ = words.size();
    return;
  }
  if (line.text.find("virtio") == std::string_view::npos) return;
  const ParsedCount number = ParseCount(words[0].substr(0, words[0].size() - 1));
  if (words[0].back() != ':' || !number.value || *number.value > kIrqMax) return;
  if (cpus_ == 0) return Problem(line, "no line with the CPUs' names before it");
  if (words.size() <= cpus_ + 1) return Problem(line, "the line is cut");
  WitnessInterrupt row{.irq = static_cast<int>(*number.value)};
  for (size_t cpu = 1; cpu <= cpus_; ++cpu) {
    const ParsedCount count = ParseCount(words[cpu]);
    if (!count.value) return Problem(line, fmt::format("column of CPU {}: {}", cpu - 1, count.why));
    row.count = std::min(kCountMax, row.count + static_cast<uint64_t>(*count.value));
  }
  const std::string_view name = words.back();
  if (!IsUtf8(line.text) || name.size() > kWordMax) return Problem(line, "not a driver's name");
  if (reading->interrupts.size() >= kWitnessQueuesMax) return Problem(line, "too many interrupts");
  if (!reading->interrupts.emplace(std::string(name), row).second) {
    Problem(line, Quoted(name) + " a second time");
  }
}

void Parser::TakeSoftnet(const TextLine& line) {
  WitnessReading* reading = Reading(line);
  if (reading == nullptr || TrimText(line.text).empty()) return;
  const std::vector<SoftnetCpu> cpus = ParseSoftnet(line.text);
  if (cpus.empty()) return Problem(line, "not a line of softnet_stat");
  if (reading->softnet.size() < kWitnessQueuesMax) reading->softnet.push_back(cpus.front());
}

void Parser::TakeEthtool(const TextLine& line) {
  WitnessReading* reading = Reading(line);
  if (reading == nullptr) return;
  const size_t colon = line.text.rfind(':');
  if (colon == std::string_view::npos) return;
  const std::string_view value = TrimText(line.text.substr(colon + 1));
  if (value.empty()) return;  // "NIC statistics:"
  const ParsedCount count = ParseCount(value);
  const std::string_view name = TrimText(line.text.substr(0, colon));
  if (!count.value || !IsUtf8(name)) return Problem(line, count.value ? "not a name" : count.why);
  auto& counters = reading->ethtool[subject_];
  if (counters.size() < 2 * kWitnessQueuesMax) {
    counters[std::string(name.substr(0, kWordMax))] = static_cast<uint64_t>(*count.value);
  }
}

void Parser::TakeAdjtimex(const TextLine& line) {
  const auto words = SplitWords(line.text);
  if (words.size() < 2 || words[0] != "maxerror:") return;
  const ParsedCount us = ParseCount(words[1]);
  if (us.value) witness_.maxerror_us = *us.value;
}

// As a fact of its reading: `task.PID` is "NAME STATE RAN_US WAITED_US".
void Parser::TakeTask(const TextLine& line) {
  const auto words = SplitWords(line.text);
  if (words.empty() || Reading(line) == nullptr) return;
  const ParsedCount ran = ParseCount(words.size() == 5 ? words[2] : std::string_view());
  const ParsedCount waited = ParseCount(words.size() == 5 ? words[3] : std::string_view());
  if (!ran.value || !waited.value || !ParseCount(words[0]).value || !IsUtf8(line.text)) {
    return Problem(line, "not a task (PID STATE RAN_NS WAITED_NS NAME)");
  }
  AddFact(line, fmt::format("task.{}", words[0]),
          fmt::format("{} {} {} {}", words[4], words[1], *ran.value / 1000, *waited.value / 1000));
}

// "[  123.456789] text"
void Parser::TakeLog(const TextLine& line) {
  const std::string_view text = TrimText(line.text);
  if (text.empty()) return;
  const size_t close = text.find(']');
  const bool framed = text.front() == '[' && close != std::string_view::npos;
  const auto seconds =
      framed ? ParseSeconds(TrimText(text.substr(1, close - 1))) : std::optional<int64_t>();
  if (!seconds) return Problem(line, "no kernel log line: " + Quoted(text));
  if (witness_.log.size() >= kWitnessLogMax) return;
  const std::string_view words = TrimText(text.substr(close + 1)).substr(0, 1024);
  witness_.log.push_back({*seconds, Printable(words)});
}

WitnessText Parser::Parse() {
  const auto& lines = text_.lines();
  if (lines.empty() || !lines.front().text.starts_with("ringside-witness ")) {
    sink_.Problem(1, "not a witness' text: it begins with 'ringside-witness 1'");
  } else {
    const std::string_view version = TrimText(lines.front().text.substr(17));
    if (version != "1") {
      Problem(lines.front(), "version " + Quoted(version) + "; version 1 is read");
    }
    for (size_t i = 1; i < lines.size() && !witness_.complete; ++i) {
      if (lines[i].text.starts_with(kSection)) {
        Open(lines[i]);
      } else if (handler_ != nullptr) {
        (this->*handler_)(lines[i]);
      }
    }
    if (!witness_.complete) {
      sink_.Problem(lines.back().number, "the text ends before its '### end': it was cut");
    }
  }
  witness_.problems = sink_.Take().problems;
  return std::move(witness_);
}

}  // namespace

WitnessText ParseWitness(std::string text, const std::string& file) {
  return Parser(std::move(text), file).Parse();
}

}  // namespace ringside
