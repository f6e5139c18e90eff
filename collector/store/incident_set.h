// SPDX-License-Identifier: Apache-2.0
// The files that make up an incident: one, or all of a store's directory, which are read as one.
// Used inside collector/store; one thread.
#ifndef RINGSIDE_COLLECTOR_STORE_INCIDENT_SET_H_
#define RINGSIDE_COLLECTOR_STORE_INCIDENT_SET_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/store/incident_source.h"
#include "correlate/recording.h"

namespace ringside {

using Sources = std::vector<std::unique_ptr<IncidentSource>>;

bool IsDirectory(const std::string& path);

// The incidents (*.rsi) in a directory, oldest first. NOT_FOUND if there are none.
absl::StatusOr<std::vector<std::string>> FilesIn(const std::string& directory);

// The file, or the files of a directory. In a directory one file that cannot be read does not keep
// the others from being read: it is noted in `gaps`.
absl::StatusOr<Sources> OpenAll(const std::string& path, std::vector<RecorderGap>& gaps);

// What the files together are: closed if all are, from the first to the last time.
Recording About(const Sources& sources);

// std::string of a status' message.
std::string StatusText(const absl::Status& status);

}  // namespace ringside

#endif  // RINGSIDE_COLLECTOR_STORE_INCIDENT_SET_H_
