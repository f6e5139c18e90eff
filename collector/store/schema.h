// SPDX-License-Identifier: Apache-2.0
// The tables and views of an incident file (described in collector/README.md) and what marks a file
// as one. Used inside collector/store, and by tests that make files which this version cannot read.
// Constants and pure functions, any thread.
#ifndef RINGSIDE_COLLECTOR_STORE_SCHEMA_H_
#define RINGSIDE_COLLECTOR_STORE_SCHEMA_H_

#include <cstdint>
#include <string>

namespace ringside {

// PRAGMA application_id: "RSin" read as a big-endian number.
inline constexpr int32_t kApplicationId = 0x5253696e;
// PRAGMA user_version: newest schema that this build writes and reads. Grows with every change that
// an older reader must not ignore; older files open forever.
inline constexpr int32_t kSchemaVersion = 3;

// records.kind; numbers of the file format, never changed.
enum class RecordKind : int {
  kHello = 1,
  kQueue,
  kSnapshot,
  kMarks,
  kChunk,
  kLog,
  kFact,
  kClock,
  kGap,
  kBye,
};

// gaps.maker
enum class GapMaker : int {
  kAgent = 1,  // a record of the stream
  kRecorder,   // added by whoever wrote the file
  kNumbers,    // follows from numbers left out: not kept when files are joined
};

// Creates every table, index and view, and fills the tables of names.
std::string SchemaSql();
// The tables alone, of that version.
std::string TablesSql(int32_t version);
// What readers use beside the tables, as temporary tables and views: empty ones for what files of
// an older version lack, and `chunk_ranges`, what each chunk holds of a queue, for files of all
// versions (where an older one does not know, the widest range there is).
std::string TemporaryTablesSql(int32_t version);
// The views alone, as temporary ones: they go before the file's own of the same names.
std::string TemporaryViewsSql();

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_SCHEMA_H_
