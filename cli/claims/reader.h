// SPDX-License-Identifier: Apache-2.0
// What the readers of cli/claims share: lines with their numbers, numbers out of text, and where
// claims and problems go. Used by the readers only.
#ifndef RINGSIDE_CLI_CLAIMS_READER_H_
#define RINGSIDE_CLI_CLAIMS_READER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/claims/claim_file.h"

namespace ringside {

// One line without its end; numbers from 1.
struct TextLine {
  std::string_view text;
  int number = 0;
};

// The text as lines of UTF-8: byte-order marks go, UTF-16 is converted, "\r\n" ends a line as "\n"
// does. Keeps what it was given; the lines point into it.
class ClaimText {
 public:
  ClaimText(std::string text, const ClaimContext& context);
  ClaimText(const ClaimText&) = delete;
  ClaimText& operator=(const ClaimText&) = delete;

  const ClaimContext& context() const { return context_; }
  const std::string& text() const { return text_; }
  const std::vector<TextLine>& lines() const { return lines_; }
  bool converted() const { return converted_; }
  // Does not end with a line end: the last line may have been cut.
  bool open_end() const { return !text_.empty() && text_.back() != '\n'; }

 private:
  ClaimContext context_;
  std::string text_;
  std::vector<TextLine> lines_;
  bool converted_ = false;
};

// Collects one file's claims and problems within the limits.
class ClaimSink {
 public:
  ClaimSink(const ClaimContext& context, std::string source, std::string format);

  void Add(Claim claim, int line);
  void Problem(int line, std::string text);
  const std::string& source() const { return source_; }
  void set_source(std::string source) { source_ = std::move(source); }
  ClaimFile Take() { return std::move(file_); }

 private:
  ClaimContext context_;
  std::string source_;
  ClaimFile file_;
};

// A count as text: digits only, at most kClaimMax. Why not, where it is none ("negative",
// "too large for a count", "not a number").
struct ParsedCount {
  std::optional<int64_t> value;
  std::string why;
};
ParsedCount ParseCount(std::string_view text);

// Numbers added up by name and queue, in the order in which they first came.
class ClaimTally {
 public:
  explicit ClaimTally(std::string method) : method_(std::move(method)) {}
  // `subject` unknown: what `name` says.
  void Add(const std::string& name, const std::string& queue, int64_t value, int line,
           const ClaimSubject& subject = {});
  bool empty() const { return rows_.empty(); }
  // All as claims over `window`; nothing is left.
  void Emit(const ClaimWindow& window, ClaimSink* sink);

 private:
  struct Row {
    std::string name;
    std::string queue;
    ClaimSubject subject;
    int64_t value = 0;
    int line = 0;
  };
  std::string method_;
  std::vector<Row> rows_;
  std::map<std::pair<std::string, std::string>, size_t> places_;
};

// "2026-11-20" and "14:02:11.123" as this machine's local time; nothing if it is none.
std::optional<int64_t> LocalTime(std::string_view date, std::string_view clock);
// A number with a fraction: "12345.678901", seconds to ns.
std::optional<int64_t> ParseSeconds(std::string_view text);

std::string_view TrimText(std::string_view text);
std::vector<std::string_view> SplitWords(std::string_view text);
// What stands behind `key` in `text`, up to a blank or one of ",)|"; nothing if `key` is absent.
std::optional<std::string_view> ValueAfter(std::string_view text, std::string_view key);
// A piece of foreign text for a message: at most 60 characters of it.
std::string Quoted(std::string_view text);
bool IsUtf8(std::string_view text);

}  // namespace ringside

#endif  // RINGSIDE_CLI_CLAIMS_READER_H_
