// SPDX-License-Identifier: Apache-2.0
#include "collector/store/stream_union.h"

#include <fmt/format.h>

#include <optional>
#include <set>
#include <utility>

#include "proto/convert.h"

namespace ringside {
namespace {

struct Head {
  const StreamPart* part = nullptr;
  std::optional<SourceEntry> entry;
};

absl::Status Advance(Head& head) {
  absl::StatusOr<std::optional<SourceEntry>> next = head.part->source->Next();
  if (!next.ok()) return next.status();
  head.entry = *next;
  return absl::OkStatus();
}

// The head with the lowest number; the first of them if several have it. Null at the end.
Head* Lowest(std::vector<Head>& heads) {
  Head* lowest = nullptr;
  for (Head& head : heads) {
    if (!head.entry) continue;
    if (lowest == nullptr || head.entry->number < lowest->entry->number) lowest = &head;
  }
  return lowest;
}

// Moves every other head past `chosen`'s number.
absl::Status SkipRepeats(std::vector<Head>& heads, const Head& chosen,
                         const UnionOptions& options) {
  for (Head& head : heads) {
    if (&head == &chosen || !head.entry || head.entry->number != chosen.entry->number) continue;
    if (head.entry->hash != chosen.entry->hash) {
      const std::string what = fmt::format("{} and {} disagree about record {} of stream {}",
                                           chosen.part->source->path(), head.part->source->path(),
                                           chosen.entry->number, chosen.part->stream.key.instance);
      if (!options.on_conflict) return absl::AlreadyExistsError(what);
      options.on_conflict(what);
    }
    if (absl::Status status = Advance(head); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status TakeNumbered(const std::vector<StreamPart>& parts, const UnionOptions& options,
                          const std::function<absl::Status(NumberedRecord)>& take) {
  std::vector<Head> heads;
  for (const StreamPart& part : parts) {
    if (absl::Status status = part.source->Rewind(part.stream.id); !status.ok()) return status;
    heads.push_back(Head{&part, std::nullopt});
    if (absl::Status status = Advance(heads.back()); !status.ok()) return status;
  }
  while (Head* head = Lowest(heads)) {
    if (absl::Status status = SkipRepeats(heads, *head, options); !status.ok()) return status;
    const SourceEntry entry = *head->entry;
    absl::StatusOr<Record> record = EventChunk{};
    if (options.with_chunks || entry.kind != RecordKind::kChunk) {
      record = head->part->source->Load(entry);
    }
    if (!record.ok()) return record.status();
    if (absl::Status status = take(NumberedRecord{entry.number, *std::move(record)});
        !status.ok()) {
      return status;
    }
    if (absl::Status status = Advance(*head); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::vector<StreamPart>> StreamsOf(
    const std::vector<std::unique_ptr<IncidentSource>>& sources) {
  std::vector<std::vector<StreamPart>> streams;
  std::map<StreamKey, size_t> places;
  for (const std::unique_ptr<IncidentSource>& source : sources) {
    for (const SourceStream& stream : source->streams()) {
      const auto [at, added] = places.try_emplace(stream.key, streams.size());
      if (added) streams.emplace_back();
      streams[at->second].push_back(StreamPart{source.get(), stream});
    }
  }
  return streams;
}

absl::Status ForEachRecord(const std::vector<StreamPart>& parts, const UnionOptions& options,
                           const std::function<absl::Status(NumberedRecord)>& take) {
  if (absl::Status status = TakeNumbered(parts, options, take); !status.ok()) return status;
  std::set<uint64_t> seen;
  for (const StreamPart& part : parts) {
    absl::StatusOr<std::vector<Record>> additions = part.source->Additions(part.stream.id);
    if (!additions.ok()) return additions.status();
    for (Record& addition : *additions) {
      NumberedRecord record{0, std::move(addition)};
      if (!seen.insert(Fingerprint(record)).second) continue;
      if (absl::Status status = take(std::move(record)); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace ringside
