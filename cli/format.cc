// SPDX-License-Identifier: Apache-2.0
#include "cli/format.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>

#include "fmt/format.h"

namespace ringside {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

// Seconds, rounded down, and the nanoseconds above them; right for times before 1970 as well.
struct SplitTime {
  time_t seconds;
  int64_t ns;
};
SplitTime Split(int64_t real_ns) {
  int64_t seconds = real_ns / kSecondNs;
  int64_t ns = real_ns % kSecondNs;
  if (ns < 0) {
    ns += kSecondNs;
    --seconds;
  }
  return {static_cast<time_t>(seconds), ns};
}

std::string Strftime(const char* format, const tm& time) {
  char text[64];
  return std::string(text, strftime(text, sizeof text, format, &time));
}

tm LocalTm(int64_t real_ns) {
  time_t seconds = Split(real_ns).seconds;
  tm local{};
  localtime_r(&seconds, &local);
  return local;
}

// Length of the valid UTF-8 sequence at `text[at]` and its code point; 0 where there is none.
size_t DecodeUtf8(std::string_view text, size_t at, uint32_t& code) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  uint8_t lead = byte(at);
  size_t length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (lead > 0xf4 || length == 0 || at + length > text.size()) return 0;
  static constexpr uint32_t kLeadMask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  static constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  code = lead & kLeadMask[length];
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(at + i) & 0x3f);
  }
  bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kLeast[length] || code > 0x10ffff || surrogate ? 0 : length;
}

// Besides the C0 and C1 controls: the marks that turn the reading direction, with which a name can
// be made to look like another one.
bool IsControl(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
         (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
         code == 0x200e || code == 0x200f;
}

// Reads digits (and a fraction where allowed) from the front of `text`.
std::optional<double> TakeNumber(std::string_view& text) {
  size_t length = 0;
  bool digit = false;
  bool point = false;
  while (length < text.size()) {
    char c = text[length];
    if (c == '.' && !point) {
      point = true;
    } else if (c >= '0' && c <= '9') {
      digit = true;
    } else {
      break;
    }
    ++length;
  }
  if (!digit || length > 30) return std::nullopt;
  double value = std::strtod(std::string(text.substr(0, length)).c_str(), nullptr);
  text.remove_prefix(length);
  return value;
}

std::optional<int> TakeDigits(std::string_view& text, size_t count) {
  if (text.size() < count) return std::nullopt;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool TakeChar(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// HH:MM:SS with any fraction into `time`; the fraction in nanoseconds, or nothing where it is
// wrong.
std::optional<int64_t> TakeClock(std::string_view& text, tm& time) {
  auto hour = TakeDigits(text, 2);
  if (!hour || *hour > 23 || !TakeChar(text, ":")) return std::nullopt;
  auto minute = TakeDigits(text, 2);
  if (!minute || *minute > 59 || !TakeChar(text, ":")) return std::nullopt;
  auto second = TakeDigits(text, 2);
  if (!second || *second > 60) return std::nullopt;
  time.tm_hour = *hour;
  time.tm_min = *minute;
  time.tm_sec = *second;
  int64_t ns = 0;
  if (TakeChar(text, ".")) {
    int64_t unit = kSecondNs / 10;
    if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      ns += (text.front() - '0') * unit;
      unit /= 10;
      text.remove_prefix(1);
    }
  }
  return ns;
}

bool TakeDate(std::string_view& text, tm& time) {
  auto year = TakeDigits(text, 4);
  if (!year || !TakeChar(text, "-")) return false;
  auto month = TakeDigits(text, 2);
  if (!month || *month < 1 || *month > 12 || !TakeChar(text, "-")) return false;
  auto day = TakeDigits(text, 2);
  if (!day || *day < 1 || *day > 31) return false;
  time.tm_year = *year - 1900;
  time.tm_mon = *month - 1;
  time.tm_mday = *day;
  return TakeChar(text, "Tt ");
}

// Seconds east of Greenwich; nothing where no zone is written or a wrong one.
std::optional<int> TakeZone(std::string_view& text) {
  if (TakeChar(text, "Zz")) return 0;
  int sign = !text.empty() && text.front() == '-' ? -1 : 1;
  if (!TakeChar(text, "+-")) return std::nullopt;
  auto hours = TakeDigits(text, 2);
  if (!hours || *hours > 23 || !TakeChar(text, ":")) return std::nullopt;
  auto minutes = TakeDigits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

std::optional<int64_t> CalendarTime(std::string_view text, int64_t zero_ns) {
  tm time = LocalTm(zero_ns);
  bool dated = text.size() > 4 && text[4] == '-';
  if (dated && !TakeDate(text, time)) return std::nullopt;
  auto ns = TakeClock(text, time);
  if (!ns) return std::nullopt;
  time.tm_isdst = -1;
  int64_t seconds = 0;
  if (text.empty()) {
    seconds = mktime(&time);
  } else {
    auto zone = TakeZone(text);
    if (!dated || !zone || !text.empty()) return std::nullopt;
    seconds = timegm(&time) - *zone;
  }
  return seconds * kSecondNs + *ns;
}

// Text and numbers in turn: "vm1/rx10" is ("vm", 1), ("/rx", 10).
std::vector<std::pair<std::string, uint64_t>> NaturalKey(const std::string& name) {
  std::vector<std::pair<std::string, uint64_t>> key(1);
  bool in_number = false;
  for (char c : name) {
    bool digit = c >= '0' && c <= '9';
    if (!digit && in_number) key.emplace_back();
    if (digit) {
      key.back().second = key.back().second * 10 + static_cast<uint64_t>(c - '0');
    } else {
      key.back().first += c;
    }
    in_number = digit;
  }
  return key;
}

}  // namespace

std::string Thousands(uint64_t value) {
  std::string digits = std::to_string(value);
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string SignedThousands(int64_t value) {
  uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string text = value < 0 ? "-" : "";
  return text.append(Thousands(magnitude));
}

std::string CountCellText(const CountCell* cell) {
  if (cell == nullptr) return "-";
  if (!cell->hi) return Thousands(cell->lo) + "+";
  if (*cell->hi == cell->lo) return Thousands(cell->lo);
  return Thousands(cell->lo) + "-" + Thousands(*cell->hi);
}

std::string RangeText(int64_t lo, int64_t hi) {
  if (lo == INT64_MIN && hi == INT64_MAX) return "unknown";
  if (lo == INT64_MIN) return fmt::format("at most {}", SignedThousands(hi));
  if (hi == INT64_MAX) return fmt::format("at least {}", SignedThousands(lo));
  if (lo == hi) return SignedThousands(lo);
  // "-1-1" reads badly: with a sign, dots.
  return SignedThousands(lo) + (lo < 0 || hi < 0 ? ".." : "-") + SignedThousands(hi);
}

std::string DurationText(int64_t ns) {
  if (ns < 0) return fmt::format("-{}", DurationText(-ns));
  double value = static_cast<double>(ns);
  if (ns < 1'000) return fmt::format("{} ns", ns);
  if (ns < 99'950) return fmt::format("{:.1f} us", value / 1e3);
  if (ns < 999'500) return fmt::format("{:.0f} us", value / 1e3);
  if (ns < 9'950'000) return fmt::format("{:.1f} ms", value / 1e6);
  if (ns < 999'500'000) return fmt::format("{:.0f} ms", value / 1e6);
  int64_t seconds = (ns + kSecondNs / 2) / kSecondNs;
  if (seconds < 120) return fmt::format("{:.1f} s", value / 1e9);
  if (seconds < 3600) return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {:02} min", seconds / 3600, seconds % 3600 / 60);
}

std::string BytesText(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  const char* unit = "KiB";
  for (const char* next : {"MiB", "GiB", "TiB"}) {
    if (value < 1000) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.{}f} {}", value, value < 10 ? 1 : 0, unit);
}

std::string Rfc3339(int64_t real_ns) {
  SplitTime split = Split(real_ns);
  tm utc{};
  gmtime_r(&split.seconds, &utc);
  return fmt::format("{}.{:09}Z", Strftime("%Y-%m-%dT%H:%M:%S", utc), split.ns);
}

std::string LocalDateTime(int64_t real_ns) {
  return Strftime("%Y-%m-%d %H:%M:%S", LocalTm(real_ns));
}

std::string LocalRange(int64_t from_ns, int64_t to_ns) {
  tm from = LocalTm(from_ns);
  tm to = LocalTm(to_ns);
  bool same_day = from.tm_year == to.tm_year && from.tm_yday == to.tm_yday;
  return LocalDateTime(from_ns) + " to " +
         Strftime(same_day ? "%H:%M:%S %Z" : "%Y-%m-%d %H:%M:%S %Z", to);
}

std::string LocalClock(int64_t real_ns) {
  return fmt::format("{}.{:03}", Strftime("%H:%M:%S", LocalTm(real_ns)),
                     Split(real_ns).ns / 1'000'000);
}

absl::StatusOr<int64_t> ParseDuration(std::string_view text) {
  static constexpr struct {
    std::string_view name;
    double ns;
  } kUnits[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},  {"s", 1e9},
                {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}};
  std::string_view rest = text;
  auto number = TakeNumber(rest);
  for (const auto& unit : kUnits) {
    if (!number || rest != unit.name) continue;
    double ns = *number * unit.ns;
    if (ns > 9e18) break;
    return std::llround(ns);
  }
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not a duration; write a number and a unit: 250ms, 10s, 1m", text));
}

absl::StatusOr<int64_t> ParseTime(std::string_view text, int64_t zero_ns) {
  if (!text.empty() && text.front() == '+') {
    auto offset = ParseDuration(text.substr(1));
    if (offset.ok()) return zero_ns + *offset;
  } else if (auto time = CalendarTime(text, zero_ns)) {
    return *time;
  }
  return absl::InvalidArgumentError(fmt::format(
      "'{}' is not a time; write +3.2s from the first snapshot, 14:02:11 local time, or "
      "2026-01-31T14:02:11Z",
      text));
}

std::string Printable(std::string_view text) {
  std::string out;
  size_t at = 0;
  while (at < text.size()) {
    uint32_t code = 0;
    size_t length = DecodeUtf8(text, at, code);
    if (length == 0 || IsControl(code)) {
      // Byte by byte, so that it can be told what was there.
      size_t bytes = std::max<size_t>(length, 1);
      for (size_t i = 0; i < bytes; ++i) {
        out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[at + i]));
      }
      at += bytes;
      continue;
    }
    out += text.substr(at, length);
    at += length;
  }
  return out;
}

int DisplayWidth(std::string_view text) {
  return static_cast<int>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

std::string QueuePairText(const QueueLedger& queue, bool one_host) {
  if (queue.queue.empty()) return queue.host_queue;
  if (queue.host_queue.empty()) return queue.queue;
  std::string host = queue.host_queue;
  size_t slash = host.find('/');
  if (one_host && slash != std::string::npos) host.erase(0, slash + 1);
  size_t last = queue.queue.rfind('/');
  bool tx = last != std::string::npos && queue.queue.compare(last + 1, 2, "tx") == 0;
  return queue.queue + (tx ? " -> " : " <- ") + host;
}

bool NaturalLess(const std::string& a, const std::string& b) {
  return NaturalKey(a) < NaturalKey(b);
}

std::string ListText(const std::vector<std::string>& items, size_t limit) {
  std::string out;
  size_t shown = std::min(items.size(), limit);
  for (size_t i = 0; i < shown; ++i) {
    if (i > 0) out += i + 1 == items.size() ? " and " : ", ";
    out += items[i];
  }
  if (items.size() > shown) out += fmt::format(" and {} more", items.size() - shown);
  return out;
}

}  // namespace ringside
