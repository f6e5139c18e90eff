// SPDX-License-Identifier: Apache-2.0
// Claims in ringside's own JSON. The array's elements are found by their braces and parsed one by
// one, so that a file that was cut, or has one bad element, still gives the others.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "cli/claims/readers.h"
#include "cli/format.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace ringside {
namespace {

using nlohmann::json;

// Of one element; deeper ones are nobody's claims (and would be the parser's stack).
constexpr int kDepthMax = 16;

struct Element {
  std::string_view text;
  int line = 0;
  bool whole = false;
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // Stands before the first element of the array of claims; false if there is none.
  bool FindArray() {
    SkipBlanks();
    if (Take('[')) return true;
    const size_t key = text_.find("\"claims\"");
    if (key == std::string_view::npos) return false;
    MoveTo(key + 8);
    SkipBlanks();
    if (!Take(':')) return false;
    SkipBlanks();
    return Take('[');
  }

  // The next element, up to its closing brace or to the end of the text. Nothing after the last.
  std::optional<Element> Next() {
    SkipBlanks();
    while (Take(',')) SkipBlanks();
    if (at_ >= text_.size() || text_[at_] == ']') return std::nullopt;
    const size_t from = at_;
    Element element{.line = line_};
    int depth = 0;
    bool quoted = false;
    for (; at_ < text_.size(); MoveTo(at_ + 1)) {
      const char c = text_[at_];
      if (quoted) {
        if (c == '\\') {
          MoveTo(at_ + 1);
        } else if (c == '"') {
          quoted = false;
        }
        continue;
      }
      if (c == '"') quoted = true;
      if (c == '{' || c == '[') ++depth;
      if (depth == 0 && (c == ',' || c == ']')) break;
      if (c == '}' || c == ']') --depth;
      if (depth == 0 && c == '}') {
        element.whole = true;
        MoveTo(at_ + 1);
        break;
      }
      // A closing brace that a string swallowed: the next claim begins on its own line.
      if (depth > kDepthMax) break;
    }
    element.text = text_.substr(from, std::min(at_, text_.size()) - from);
    return element;
  }

  int line() const { return line_; }
  bool AtEnd() const { return at_ >= text_.size(); }

 private:
  void MoveTo(size_t at) {
    at = std::min(at, text_.size());
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<ptrdiff_t>(at_),
                                         text_.begin() + static_cast<ptrdiff_t>(at), '\n'));
    at_ = at;
  }
  void SkipBlanks() { MoveTo(std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size())); }
  bool Take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    MoveTo(at_ + 1);
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

// One claim out of one object; says what is wrong with it.
class ClaimReader {
 public:
  ClaimReader(const json& object, const ClaimContext& context)
      : object_(object), context_(context) {}

  bool Read(Claim* claim) {
    Text("source", &claim->source);
    Text("node", &claim->node);
    Text("queue", &claim->queue);
    Text("method", &claim->method);
    Text("part", &claim->part);
    ReadSubject(claim);
    ReadWindow(&claim->window);
    ReadNumber(claim);
    for (const auto& [key, value] : object_.items()) CheckKnown(key);
    return problems_.empty();
  }
  const std::vector<std::string>& problems() const { return problems_; }
  // What does not keep the claim from being judged.
  const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  void Wrong(std::string text) { problems_.push_back(std::move(text)); }

  bool Has(const char* key) const { return object_.contains(key) && !object_[key].is_null(); }

  void Text(const char* key, std::string* out) {
    if (!Has(key)) return;
    if (!object_[key].is_string()) return Wrong(fmt::format("\"{}\" is not a text", key));
    *out = object_[key].get<std::string>();
  }

  void ReadSubject(Claim* claim) {
    std::string label;
    Text("count", &claim->name);
    Text("label", &label);
    claim->subject = SubjectByName(claim->name);
    if (!claim->subject.known() && !label.empty()) claim->subject = SubjectByName(label);
    if (claim->name.empty()) claim->name = label;
    if (claim->name.empty()) Wrong("neither \"count\" nor \"label\" says what was counted");
  }

  void Time(const char* key, std::optional<int64_t>* out) {
    std::string text;
    Text(key, &text);
    if (text.empty()) return;
    const auto time = ParseTime(text, context_.zero_ns);
    if (!time.ok()) {
      const auto message = time.status().message();
      return Wrong(fmt::format("\"{}\": {}", key, std::string(message.data(), message.size())));
    }
    *out = *time;
  }

  void ReadWindow(ClaimWindow* window) {
    Time("from", &window->from_ns);
    Time("to", &window->to_ns);
    std::string length;
    Text("length", &length);
    if (!length.empty()) {
      const auto duration = ParseDuration(length);
      if (!duration.ok() || *duration <= 0) {
        Wrong(fmt::format("\"length\": {} is no duration such as 30s", Quoted(length)));
      } else {
        window->length_ns = *duration;
      }
    }
    if (window->from_ns && window->to_ns && *window->from_ns >= *window->to_ns) {
      Wrong("\"from\" is not before \"to\"");
    }
  }

  void ReadNumber(Claim* claim) {
    if (Has("percent")) return ReadPercent(claim);
    if (!Has("value")) return Wrong("no \"value\"");
    const json& value = object_["value"];
    if (!value.is_number()) return Wrong("\"value\" is not a number");
    if (value.is_number_float()) {
      const double number = value.get<double>();
      if (!(std::abs(number) < static_cast<double>(kClaimMax))) {
        return Wrong("\"value\" is too large for a count: " + Quoted(value.dump()));
      }
      if (number != std::floor(number)) {
        return Wrong("\"value\" is no whole number: " + Quoted(value.dump()));
      }
      if (number < 0) return Wrong("\"value\" is negative: " + Quoted(value.dump()));
      claim->value = static_cast<int64_t>(number);
      return;
    }
    const ParsedCount count = ParseCount(value.dump());
    if (!count.value) return Wrong("\"value\" is " + count.why);
    claim->value = *count.value;
  }

  void ReadPercent(Claim* claim) {
    std::string of;
    Text("of", &of);
    const json& percent = object_["percent"];
    if (!percent.is_number()) return Wrong("\"percent\" is not a number");
    claim->percent = percent.get<double>();
    if (!(*claim->percent >= 0) || *claim->percent > 1e6) {
      return Wrong("\"percent\" is no share: " + Quoted(percent.dump()));
    }
    claim->of = SubjectByName(of);
    if (claim->of.counts.empty()) Wrong("\"of\" names no count that the share is of");
    const std::string digits = percent.dump();
    const size_t point = digits.find('.');
    if (point != std::string::npos) claim->digits = static_cast<int>(digits.size() - point - 1);
    claim->digits = std::min(claim->digits, 6);
  }

  void CheckKnown(const std::string& key) {
    static constexpr auto kKnown = std::to_array<std::string_view>(
        {"source", "node", "queue", "count", "label", "part", "from", "to", "length", "value",
         "percent", "of", "method"});
    if (std::find(kKnown.begin(), kKnown.end(), key) != kKnown.end()) return;
    remarks_.push_back("unknown member " + Quoted(key));
  }

  const json& object_;
  const ClaimContext& context_;
  std::vector<std::string> problems_;
  std::vector<std::string> remarks_;
};

// Line of a parser's complaint within an element.
int LineAt(const Element& element, size_t byte) {
  const size_t at = std::min(byte, element.text.size());
  return element.line +
         static_cast<int>(std::count(element.text.begin(),
                                     element.text.begin() + static_cast<ptrdiff_t>(at), '\n'));
}

void ReadElement(const Element& element, const ClaimContext& context, ClaimSink* sink) {
  if (!IsUtf8(element.text)) {
    sink->Problem(element.line, "a claim with bytes that are not UTF-8");
    return;
  }
  json object;
  try {
    object = json::parse(element.text);
  } catch (const json::parse_error& error) {
    sink->Problem(LineAt(element, error.byte), "not a JSON object: " + Quoted(element.text));
    return;
  } catch (const json::exception&) {
    sink->Problem(element.line, "a number that nobody can have counted");
    return;
  }
  if (!object.is_object()) {
    sink->Problem(element.line, "a claim is an object, not " + Quoted(element.text));
    return;
  }
  Claim claim;
  ClaimReader reader(object, context);
  const bool good = reader.Read(&claim);
  for (const std::string& problem : reader.problems()) sink->Problem(element.line, problem);
  for (const std::string& remark : reader.remarks()) sink->Problem(element.line, remark);
  if (good) sink->Add(std::move(claim), element.line);
}

// The schema's number; 1 where it cannot be read: the elements speak for themselves.
int SchemaOf(std::string_view text) {
  const auto value = ValueAfter(text.substr(0, text.find("\"claims\"")), "\"schema\"");
  if (!value || value->empty()) return 1;
  const auto digits = TrimText(value->substr(value->front() == ':' ? 1 : 0));
  const ParsedCount number = ParseCount(digits.substr(0, digits.find_first_not_of("0123456789")));
  return number.value ? static_cast<int>(std::min<int64_t>(*number.value, 1'000'000)) : 1;
}

}  // namespace

bool LooksLikeClaimJson(const ClaimText& text) {
  const std::string_view start = TrimText(text.text());
  return !start.empty() && (start.front() == '{' || start.front() == '[');
}

ClaimFile ReadClaimJson(const ClaimText& text) {
  ClaimSink sink(text.context(), "claims", "ringside JSON");
  Scanner scanner(text.text());
  const int schema = SchemaOf(text.text());
  if (schema != 1) {
    sink.Problem(1, fmt::format("schema {} is not known; this version reads schema 1", schema));
    return sink.Take();
  }
  if (!scanner.FindArray()) {
    sink.Problem(1, "JSON without an array \"claims\"");
    return sink.Take();
  }
  int last_line = scanner.line();
  while (const auto element = scanner.Next()) {
    last_line = element->line;
    if (!element->whole && scanner.AtEnd()) {
      sink.Problem(element->line, "the text is cut in the middle of this claim");
      return sink.Take();
    }
    ReadElement(*element, text.context(), &sink);
  }
  if (scanner.AtEnd()) sink.Problem(last_line, "the text is cut after this claim");
  return sink.Take();
}

}  // namespace ringside
