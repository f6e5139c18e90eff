// SPDX-License-Identifier: Apache-2.0
// Where BPF programs learn how the running kernel lays out its structures.
//
// Most kernels say it themselves (/sys/kernel/btf). Some say nothing, or nothing of their modules;
// for those a few kilobytes made from the distribution's debug package are built in, one file per
// kernel release (deploy/btf), or given by the user.
#ifndef RINGSIDE_AGENT_KERNEL_TYPES_H_
#define RINGSIDE_AGENT_KERNEL_TYPES_H_

#include <string>

#include "absl/status/statusor.h"

namespace ringside {

struct KernelTypes {
  std::string path;    // a BTF file, valid while this process lives; empty: the kernel's own
  std::string source;  // for people
};

// `wish`: a BTF file, a folder of RELEASE.btf files, or empty: the kernel's own where they are
// whole, else the built-in ones for exactly this release. NOT_FOUND if what was wished for is not
// there; without a wish there is always an answer, which may not suffice.
absl::StatusOr<KernelTypes> FindKernelTypes(const std::string& wish);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_KERNEL_TYPES_H_
