// SPDX-License-Identifier: Apache-2.0
#include "proto/texts.h"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace ringside {
namespace {

// Length of the valid UTF-8 character that starts at text[at], 0 if there is none.
size_t CharacterBytes(const std::string& text, size_t at) {
  const auto byte = [&text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(at);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  }
  const uint8_t next = byte(at + 1);
  const bool overlong = (lead == 0xe0 && next < 0xa0) || (lead == 0xf0 && next < 0x90);
  const bool surrogate = lead == 0xed && next >= 0xa0;
  const bool too_large = lead == 0xf4 && next >= 0x90;
  return overlong || surrogate || too_large ? 0 : length;
}

bool IsControl(const std::string& text, size_t at, size_t length) {
  const auto first = static_cast<uint8_t>(text[at]);
  if (length == 1) return (first < 0x20 && first != '\t') || first == 0x7f;
  return length == 2 && first == 0xc2 && static_cast<uint8_t>(text[at + 1]) < 0xa0;  // C1
}

bool IsPlain(const std::string& text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) - 0x20u >= 0x7f - 0x20) return false;
  }
  return true;
}

// Each queue's count has a label once.
void TidyParts(std::vector<Part>& parts) {
  absl::flat_hash_map<std::tuple<uint32_t, uint16_t, std::string>, size_t> places;
  size_t kept = 0;
  for (Part& part : parts) {
    const auto [at, added] = places.try_emplace(
        {static_cast<uint32_t>(part.queue), static_cast<uint16_t>(part.count), part.label}, kept);
    if (!added) {
      uint64_t& value = parts[at->second].value;
      value = std::min(kCountMax, value + std::min(kCountMax, part.value));
    } else if (kept == kPartsMax) {
      places.erase(at);
    } else {
      if (&parts[kept] != &part) parts[kept] = std::move(part);
      ++kept;
    }
  }
  parts.resize(kept);
}

}  // namespace

void CleanText(std::string& text, size_t max_bytes) {
  if (text.size() <= max_bytes && IsPlain(text)) return;  // nearly all of them
  std::string clean;
  size_t at = 0;
  while (at < text.size()) {
    const size_t length = CharacterBytes(text, at);
    const bool keep = length > 0 && !IsControl(text, at, length);
    if (clean.size() + (keep ? length : 1) > max_bytes) break;
    if (keep) {
      clean.append(text, at, length);
    } else {
      clean.push_back('?');
    }
    at += length > 0 ? length : 1;
  }
  text = std::move(clean);
}

void CleanTexts(Record& record) {
  ForEachText(record,
              [](std::string& text, size_t bytes_max, const char*) { CleanText(text, bytes_max); });
  if (auto* snapshot = std::get_if<Snapshot>(&record)) TidyParts(snapshot->parts);
}

size_t ApproximateBytes(const Record& record) {
  size_t bytes = sizeof(NumberedRecord) + 64;   // with the container's own share
  Record& texts = const_cast<Record&>(record);  // NOLINT: visited, not changed
  ForEachText(texts,
              [&bytes](const std::string& text, size_t, const char*) { bytes += text.capacity(); });
  if (const auto* hello = std::get_if<Hello>(&record)) {
    bytes += hello->hooks.capacity() * sizeof(HookInfo);
  } else if (const auto* snapshot = std::get_if<Snapshot>(&record)) {
    bytes += snapshot->samples.capacity() * sizeof(Sample) +
             snapshot->gauges.capacity() * sizeof(GaugeSample) +
             snapshot->hooks.capacity() * sizeof(HookSample) +
             snapshot->parts.capacity() * sizeof(Part);
  } else if (const auto* marks = std::get_if<Marks>(&record)) {
    for (const Mark& mark : marks->marks) {
      bytes += sizeof(Mark) + mark.counts.capacity() * sizeof(MarkCount) + 16;
    }
  } else if (const auto* chunk = std::get_if<EventChunk>(&record)) {
    bytes += chunk->data.capacity();
  }
  return bytes;
}

}  // namespace ringside
