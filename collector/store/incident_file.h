// SPDX-License-Identifier: Apache-2.0
// Opens an incident file for reading, whatever state it is in, and says what is wrong with it if it
// cannot be read. Used inside collector/store.
//
// The file is never changed and no code in it runs. An IncidentFile belongs to one thread at a
// time.
#ifndef RINGSIDE_COLLECTOR_STORE_INCIDENT_FILE_H_
#define RINGSIDE_COLLECTOR_STORE_INCIDENT_FILE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/sqlite.h"

namespace ringside {

// A directory that is removed, with the files directly in it, when this goes.
class TemporaryDirectory {
 public:
  static absl::StatusOr<std::unique_ptr<TemporaryDirectory>> Create();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

struct IncidentFile {
  std::unique_ptr<TemporaryDirectory> copy;  // where the file itself could not be opened in place
  Db db;
};

// Statuses as in incident_reader.h.
absl::StatusOr<IncidentFile> OpenIncidentFile(const std::string& path);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_INCIDENT_FILE_H_
