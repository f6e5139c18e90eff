// SPDX-License-Identifier: Apache-2.0
#include "cli/claims/reader.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <utility>

#include "cli/format.h"
#include "fmt/format.h"

namespace ringside {
namespace {

constexpr std::string_view kMarkUtf8 = "\xef\xbb\xbf";
constexpr std::string_view kMarkLittle = "\xff\xfe";
constexpr std::string_view kMarkBig = "\xfe\xff";

void AppendUtf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

// A shell on Windows writes UTF-16 where it redirects.
std::string FromUtf16(std::string_view text, bool little) {
  std::string out;
  uint32_t high = 0;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    const auto first = static_cast<unsigned char>(text[i]);
    const auto second = static_cast<unsigned char>(text[i + 1]);
    const uint32_t unit = little ? first | second << 8 : second | first << 8;
    if (unit >= 0xd800 && unit < 0xdc00) {
      high = unit;
    } else if (unit >= 0xdc00 && unit < 0xe000) {
      AppendUtf8(out, high == 0 ? 0xfffd : 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
      high = 0;
    } else {
      AppendUtf8(out, unit);
    }
  }
  return out;
}

}  // namespace

ClaimText::ClaimText(std::string text, const ClaimContext& context)
    : context_(context), text_(std::move(text)) {
  if (text_.starts_with(kMarkUtf8)) text_.erase(0, kMarkUtf8.size());
  for (const auto& [mark, little] : {std::pair(kMarkLittle, true), std::pair(kMarkBig, false)}) {
    if (!text_.starts_with(mark)) continue;
    text_ = FromUtf16(std::string_view(text_).substr(mark.size()), little);
    converted_ = true;
    break;
  }
  std::string_view rest = text_;
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines_.push_back({line, number});
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
}

ClaimSink::ClaimSink(const ClaimContext& context, std::string source, std::string format)
    : context_(context), source_(std::move(source)) {
  file_.format = std::move(format);
}

void ClaimSink::Add(Claim claim, int line) {
  if (file_.claims.size() >= kClaimsMax) {
    if (file_.claims.size() == kClaimsMax) {
      Problem(line,
              fmt::format("more than {} claims; the rest is not judged", Thousands(kClaimsMax)));
    }
    return;
  }
  if (claim.source.empty()) claim.source = source_;
  if (!claim.subject.known()) claim.subject = SubjectByName(claim.name);
  claim.file = context_.file;
  claim.line = line;
  file_.claims.push_back(std::move(claim));
}

void ClaimSink::Problem(int line, std::string text) {
  if (file_.problems.size() > kProblemsMax) return;
  if (file_.problems.size() == kProblemsMax) text = "and more";
  file_.problems.push_back({context_.file, line, std::move(text)});
}

void ClaimTally::Add(const std::string& name, const std::string& queue, int64_t value, int line,
                     const ClaimSubject& subject) {
  const auto [place, added] = places_.try_emplace({name, queue}, rows_.size());
  if (added) {
    // Foreign text names what it likes; nobody reads more than the sink takes.
    if (rows_.size() > kClaimsMax) {
      places_.erase(place);
      return;
    }
    rows_.push_back({name, queue, subject, 0, line});
  }
  Row& row = rows_[place->second];
  row.value = value > kClaimMax - row.value ? kClaimMax : row.value + value;
}

void ClaimTally::Emit(const ClaimWindow& window, ClaimSink* sink) {
  for (Row& row : rows_) {
    Claim claim;
    claim.name = std::move(row.name);
    claim.queue = std::move(row.queue);
    claim.subject = std::move(row.subject);
    claim.value = row.value;
    claim.window = window;
    claim.method = method_;
    sink->Add(std::move(claim), row.line);
  }
  rows_.clear();
  places_.clear();
}

std::optional<int64_t> ParseSeconds(std::string_view text) {
  const size_t point = text.find('.');
  const ParsedCount whole = ParseCount(text.substr(0, point));
  if (!whole.value || *whole.value > kClaimMax / 1'000'000'000) return std::nullopt;
  int64_t ns = *whole.value * 1'000'000'000;
  if (point == std::string_view::npos) return ns;
  int64_t unit = 100'000'000;
  for (const char c : text.substr(point + 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    ns += (c - '0') * unit;
    unit /= 10;
  }
  return ns;
}

std::optional<int64_t> LocalTime(std::string_view date, std::string_view clock) {
  const auto number = [](std::string_view text, size_t at, size_t size) -> int {
    if (at + size > text.size()) return -1;
    const ParsedCount parsed = ParseCount(text.substr(at, size));
    return parsed.value ? static_cast<int>(*parsed.value) : -1;
  };
  std::tm local{};
  local.tm_year = number(date, 0, 4) - 1900;
  local.tm_mon = number(date, 5, 2) - 1;
  local.tm_mday = number(date, 8, 2);
  local.tm_hour = number(clock, 0, 2);
  local.tm_min = number(clock, 3, 2);
  const auto seconds = ParseSeconds(clock.size() > 6 ? clock.substr(6) : "");
  local.tm_isdst = -1;
  if (local.tm_year < 70 || local.tm_year > 300 || local.tm_mon < 0 || local.tm_mon > 11 ||
      local.tm_mday < 1 || local.tm_mday > 31 || local.tm_hour < 0 || local.tm_hour > 23 ||
      local.tm_min < 0 || local.tm_min > 59 || !seconds || *seconds > 60'999'999'999) {
    return std::nullopt;
  }
  const std::time_t start = std::mktime(&local);
  if (start == -1) return std::nullopt;
  return static_cast<int64_t>(start) * 1'000'000'000 + *seconds;
}

ParsedCount ParseCount(std::string_view text) {
  if (text.empty()) return {{}, "no number"};
  const bool negative = text.front() == '-';
  const std::string_view digits = negative ? text.substr(1) : text;
  if (digits.empty() ||
      !std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return {{}, "not a number: " + Quoted(text)};
  }
  if (negative) return {{}, fmt::format("negative: {}; a count only grows", Quoted(text))};
  int64_t value = 0;
  const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || value > kClaimMax) {
    return {{}, "too large for a count: " + Quoted(text)};
  }
  return {value, {}};
}

std::string_view TrimText(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const size_t from = text.find_first_not_of(kBlank);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kBlank) - from + 1);
}

std::vector<std::string_view> SplitWords(std::string_view text) {
  std::vector<std::string_view> words;
  constexpr std::string_view kBlank = " \t";
  for (size_t at = text.find_first_not_of(kBlank); at != std::string_view::npos;) {
    const size_t end = text.find_first_of(kBlank, at);
    words.push_back(text.substr(at, end - at));
    at = end == std::string_view::npos ? end : text.find_first_not_of(kBlank, end);
  }
  return words;
}

std::optional<std::string_view> ValueAfter(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = TrimText(text.substr(at + key.size()));
  return rest.substr(0, rest.find_first_of(" \t,)|"));
}

std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 60;
  return fmt::format("'{}{}'", Printable(text.substr(0, kShown)),
                     text.size() > kShown ? "..." : "");
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int more = lead < 0x80             ? 0
                     : (lead & 0xe0) == 0xc0 ? 1
                     : (lead & 0xf0) == 0xe0 ? 2
                     : (lead & 0xf8) == 0xf0 ? 3
                                             : -1;
    if (more < 0 || i + static_cast<size_t>(more) >= text.size()) return false;
    for (int k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + static_cast<size_t>(k)]) & 0xc0) != 0x80) {
        return false;
      }
    }
    i += 1 + static_cast<size_t>(more);
  }
  return true;
}

}  // namespace ringside
