// SPDX-License-Identifier: Apache-2.0
// Maps as bpftrace prints them: `@name[key, key]: n`, `@name: n`. Histograms and whatever else a
// script prints are passed over.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "cli/claims/readers.h"
#include "fmt/format.h"

namespace ringside {
namespace {

struct MapLine {
  std::string_view name;
  std::vector<std::string_view> keys;
  std::string_view value;  // empty: something longer follows, such as a histogram
};

std::optional<MapLine> MapOf(std::string_view line) {
  line = TrimText(line);
  if (line.starts_with("^C")) line.remove_prefix(2);  // how the script was ended
  if (!line.starts_with('@')) return std::nullopt;
  MapLine map;
  const size_t end = line.find_first_of("[:");
  if (end == std::string_view::npos) return std::nullopt;
  map.name = line.substr(1, end - 1);
  std::string_view rest = line.substr(end);
  if (rest.starts_with('[')) {
    const size_t close = rest.rfind("]:");
    if (close == std::string_view::npos) return std::nullopt;
    std::string_view keys = rest.substr(1, close - 1);
    while (!keys.empty()) {
      const size_t comma = keys.find(',');
      map.keys.push_back(TrimText(keys.substr(0, comma)));
      keys = comma == std::string_view::npos ? std::string_view() : keys.substr(comma + 1);
    }
    rest = rest.substr(close + 1);
  }
  map.value = TrimText(rest.substr(1));
  return map;
}

// A map's name without what scripts put around a function's: "period_vring_interrupt_calls".
std::string PlainName(std::string_view name) {
  while (name.starts_with('_')) name.remove_prefix(1);
  if (name.starts_with("period_")) name.remove_prefix(7);
  if (name.starts_with("cnt_")) name.remove_prefix(4);
  for (const std::string_view end : {"_calls", "_count", "_cnt", "_irq", "_counts", "_total"}) {
    if (name.ends_with(end) && name.size() > end.size()) {
      name.remove_suffix(end.size());
      break;
    }
  }
  return std::string(name);
}

bool Has(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

bool IsHostCount(const ClaimSubject& subject) {
  return !subject.counts.empty() && subject.counts.front() < Count::kGuestIrq;
}

// "irq:31" of a number, an interrupt's name or a device's queue as they stand; pointers are known
// to their kernel only.
std::string QueueOf(const std::vector<std::string_view>& keys, const ClaimSubject& subject) {
  for (const std::string_view key : keys) {
    if (key.starts_with("virtio") || Has(key, "/rx") || Has(key, "/tx")) return std::string(key);
  }
  for (const std::string_view key : keys) {
    if (ParseCount(key).value) {
      return (IsHostCount(subject) ? "gsi:" : "irq:") + std::string(key);
    }
    if (key.starts_with("0x") || key.starts_with("-")) return "pointer " + std::string(key);
  }
  return "";
}

struct Meaning {
  std::string name;
  ClaimSubject subject;
  std::string queue;
  bool state = false;  // a state's newest value, not a number to be added up
};

// What one map of a known script, or of one that names its maps after functions, counts.
Meaning MeaningOf(const MapLine& map) {
  Meaning meaning;
  std::vector<std::string_view> keys = map.keys;
  meaning.name = PlainName(map.name);
  for (const auto& [state, gauge] :
       {std::pair("dsc_irq_cnt", "irq.count"), std::pair("dsc_irq_unhdl_cnt", "irq.unhandled"),
        std::pair("used_idx", "ring.used"), std::pair("last_used_idx", "ring.last_used")}) {
    if (map.name == state) return {gauge, SubjectByName(gauge), QueueOf(keys, {}), true};
  }
  if (meaning.name == "handle" || meaning.name == "irq_entry" || meaning.name == "handle_irq") {
    meaning.name = "irq_handler_entry";
  }
  // By what the handler returned: 0 is IRQ_NONE, 1 IRQ_HANDLED.
  const bool returns = Has(map.name, "ret") && (Has(map.name, "int") || Has(map.name, "irq"));
  if (returns && !keys.empty() && (keys.back() == "0" || keys.back() == "1")) {
    meaning.name = keys.back() == "0" ? "irq_none" : "irq_handled";
    keys.pop_back();
  } else if (Has(map.name, "ret_none")) {
    meaning.name = "irq_none";
  } else if (Has(map.name, "ret_handled")) {
    meaning.name = "irq_handled";
  } else if (map.name == "count" && keys.size() == 2 && keys[0].starts_with("0x")) {
    meaning.name = "vhost_add_used_and_signal_n";
  }
  // A probe as key says what was counted: @[kprobe:irqfd_wakeup].
  for (size_t i = 0; i < keys.size(); ++i) {
    if (SubjectByName(meaning.name).known() || !SubjectByName(keys[i]).known()) continue;
    meaning.name = std::string(keys[i]);
    keys.erase(keys.begin() + static_cast<ptrdiff_t>(i));
    break;
  }
  if (meaning.name == "virtnet_poll_total_packets") meaning.name = "guest.packets";
  meaning.subject = SubjectByName(meaning.name);
  meaning.queue = QueueOf(keys, meaning.subject);
  // virtnet_poll polls what is received.
  const bool received = Has(map.name, "virtnet_poll") && !Has(map.name, "poll_tx");
  if (received && meaning.queue.empty()) meaning.queue = "rx*";
  return meaning;
}

// One cell of a map over all the times it was printed.
struct Cell {
  Meaning meaning;
  int64_t sum = 0;
  int64_t last = 0;
  int line = 0;
  size_t printed = 0;
};

class Reader {
 public:
  explicit Reader(const ClaimText& text) : sink_(text.context(), "bpftrace", "bpftrace maps") {
    for (const TextLine& line : text.lines()) ReadLine(line);
    if (text.open_end() && !text.lines().empty() && MapOf(text.lines().back().text)) {
      sink_.Problem(text.lines().back().number, "the last line does not end: it may be cut");
    }
  }

  ClaimFile Finish() {
    const bool known = std::any_of(cells_.begin(), cells_.end(), [](const auto& cell) {
      return cell.second.meaning.subject.known();
    });
    // A map that never fell was printed as it grew; one that fell was cleared in between, and what
    // came between printing and clearing is lost.
    ClaimTally pointers("bpftrace");
    for (auto& [key, cell] : cells_) {
      // Scripts keep much in maps that counts nothing; where nothing does, each is said.
      if (known && !cell.meaning.subject.known()) continue;
      const bool cleared = fell_.contains(key.first);
      const bool sum = cleared && !cell.meaning.state;
      if (cell.meaning.queue.starts_with("pointer") && !cell.meaning.state) {
        pointers.Add(cell.meaning.name, "", sum ? cell.sum : cell.last, cell.line);
        continue;
      }
      Claim claim;
      claim.name = cell.meaning.name;
      claim.subject = cell.meaning.subject;
      claim.queue = cell.meaning.queue;
      claim.value = sum ? cell.sum : cell.last;
      claim.method = sum ? "bpftrace, printed and cleared" : "bpftrace";
      sink_.Add(std::move(claim), cell.line);
    }
    pointers.Emit({}, &sink_);
    if (cells_.empty()) sink_.Problem(0, "no map with a number in it");
    return sink_.Take();
  }

 private:
  void ReadLine(const TextLine& line) {
    const auto map = MapOf(line.text);
    if (!map) {
      if (TrimText(line.text).starts_with('@')) sink_.Problem(line.number, "a map's line is cut");
      return;
    }
    if (!IsUtf8(line.text)) return sink_.Problem(line.number, "bytes that are not UTF-8");
    if (map->value.empty()) return;  // a histogram or a stack follows
    const ParsedCount count = ParseCount(map->value);
    if (!count.value) {
      // Strings and tuples are no counts; numbers that cannot be are worth a word.
      if (map->value.find_first_not_of("-0123456789") == std::string_view::npos) {
        sink_.Problem(line.number, count.why);
      }
      return;
    }
    // At a script's end, what is left of its last period.
    if (map->keys.empty() && map->name.starts_with("period_")) return;
    std::string keys;
    for (const std::string_view key : map->keys) keys += std::string(key) + ",";
    const std::pair key(std::string(map->name), keys);
    if (cells_.size() >= kClaimsMax && !cells_.contains(key)) return;
    Cell& cell = cells_[key];
    if (cell.printed++ == 0) {
      cell.meaning = MeaningOf(*map);
      cell.line = line.number;
    }
    if (*count.value < cell.last) fell_.insert(key.first);
    cell.last = *count.value;
    cell.sum = *count.value > kClaimMax - cell.sum ? kClaimMax : cell.sum + *count.value;
  }

  ClaimSink sink_;
  std::map<std::pair<std::string, std::string>, Cell> cells_;
  std::set<std::string> fell_;
};

}  // namespace

bool LooksLikeBpftrace(const ClaimText& text) {
  return std::any_of(text.lines().begin(), text.lines().end(),
                     [](const TextLine& line) { return MapOf(line.text).has_value(); });
}

ClaimFile ReadBpftrace(const ClaimText& text) { return Reader(text).Finish(); }

}  // namespace ringside
