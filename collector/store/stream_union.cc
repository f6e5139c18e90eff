// SPDX-License-Identifier: Apache-2.0
#include "collector/store/stream_union.h"

#include <fmt/format.h>

#include <algorithm>
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

using Take = std::function<absl::Status(NumberedRecord)>;

absl::Status LoadAndTake(const StreamPart& part, const SourceEntry& entry,
                         const UnionOptions& options, const Take& take) {
  absl::StatusOr<Record> record = EventChunk{};
  if (options.with_chunks || entry.kind != RecordKind::kChunk) record = part.source->Load(entry);
  if (!record.ok()) return record.status();
  return take(NumberedRecord{entry.number, *std::move(record)});
}

// What of an entry only the newest word matters.
std::string ContextKey(const Record& record) {
  if (const auto* queue = std::get_if<QueueInfo>(&record)) {
    return fmt::format("queue {}", static_cast<uint32_t>(queue->id));
  }
  if (const auto* fact = std::get_if<Fact>(&record)) return "fact " + fact->name;
  return "hello";
}

// The newest words from below a number, a Hello first.
absl::Status TakeContext(const std::vector<StreamPart>& parts, const UnionOptions& options,
                         const Take& take) {
  std::map<std::string, NumberedRecord> newest;
  for (const StreamPart& part : parts) {
    const auto entries = part.source->ContextBelow(part.stream.id, options.first);
    if (!entries.ok()) return entries.status();
    for (const SourceEntry& entry : *entries) {
      absl::StatusOr<Record> record = part.source->Load(entry);
      if (!record.ok()) return record.status();
      NumberedRecord& known = newest[ContextKey(*record)];
      if (entry.number > known.number) known = {entry.number, *std::move(record)};
    }
  }
  std::vector<NumberedRecord> records;
  for (auto& [key, record] : newest) records.push_back(std::move(record));
  std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
    const auto rank = [](const NumberedRecord& record) {
      return std::holds_alternative<Hello>(record.record) ? 0 : 1;
    };
    return std::pair(rank(a), a.number) < std::pair(rank(b), b.number);
  });
  for (NumberedRecord& record : records) {
    if (absl::Status status = take(std::move(record)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// A file that a stream was continued in may have its queues' numbers below its Hello's.
absl::StatusOr<uint64_t> TakeFirstHello(const std::vector<StreamPart>& parts,
                                        const UnionOptions& options, const Take& take) {
  std::optional<std::pair<const StreamPart*, SourceEntry>> first;
  for (const StreamPart& part : parts) {
    const auto entry = part.source->FirstHello(part.stream.id);
    if (!entry.ok()) return entry.status();
    if (*entry && (!first || (*entry)->number < first->second.number)) first = {&part, **entry};
  }
  if (!first) return 0;
  const absl::Status status = LoadAndTake(*first->first, first->second, options, take);
  if (!status.ok()) return status;
  return first->second.number;
}

absl::Status TakeNumbered(const std::vector<StreamPart>& parts, const UnionOptions& options,
                          const Take& take) {
  uint64_t taken = 0;  // out of order
  if (options.first > 0) {
    if (absl::Status status = TakeContext(parts, options, take); !status.ok()) return status;
  } else {
    const absl::StatusOr<uint64_t> hello = TakeFirstHello(parts, options, take);
    if (!hello.ok()) return hello.status();
    taken = *hello;
  }
  std::vector<Head> heads;
  for (const StreamPart& part : parts) {
    absl::Status status = part.source->Rewind(part.stream.id, options.first);
    if (!status.ok()) return status;
    heads.push_back(Head{&part, std::nullopt});
    if (status = Advance(heads.back()); !status.ok()) return status;
  }
  while (Head* head = Lowest(heads)) {
    if (absl::Status status = SkipRepeats(heads, *head, options); !status.ok()) return status;
    const SourceEntry entry = *head->entry;
    if (entry.number > options.last) break;
    if (entry.number != taken) {
      absl::Status status = LoadAndTake(*head->part, entry, options, take);
      if (!status.ok()) return status;
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
