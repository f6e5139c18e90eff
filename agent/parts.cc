// SPDX-License-Identifier: Apache-2.0
#include "agent/parts.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "agent/kernel_files.h"

namespace ringside {

rs_part CopyPart(const volatile rs_part& row) {
  rs_part part{};
  part.in_use = row.in_use;
  part.kind = row.kind;
  part.slot = row.slot;
  part.who = row.who;
  part.value = row.value;
  part.tgid = row.tgid;
  for (size_t i = 0; i < sizeof(part.comm); ++i) part.comm[i] = row.comm[i];
  return part;
}

const std::string& ProcessNames::Label(const rs_part& part) const {
  const uint32_t pid = part.kind == RS_PART_WRITER ? part.tgid : part.who;
  std::string& label = labels_[pid];
  if (!label.empty()) return label;
  std::string name = ReadText(absl::StrCat("/proc/", pid, "/comm"), 64);
  if (name.empty()) name.assign(part.comm, strnlen(part.comm, sizeof(part.comm)));
  label = absl::StrCat("process=", name, " (", pid, ")");
  return label;
}

std::string ProcessNames::ThreadLabel(const rs_part& part) {
  const std::string name(part.comm, strnlen(part.comm, sizeof(part.comm)));
  return absl::StrCat("thread=", name, " (", part.who, ")");
}

}  // namespace ringside
