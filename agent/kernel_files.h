// SPDX-License-Identifier: Apache-2.0
// What the kernel says in text files: interrupts, symbols, settings. Parsers are pure and tested on
// real files; readers return empty text where a file is missing, because a missing file is an
// answer ("this kernel has no such thing"), not an error. Any thread.
#ifndef RINGSIDE_AGENT_KERNEL_FILES_H_
#define RINGSIDE_AGENT_KERNEL_FILES_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ringside {

// The file's text, at most `limit` bytes; empty if it cannot be read. Trailing newline removed.
std::string ReadText(const std::string& path, size_t limit = 1 << 20);

// Names in a directory, sorted; empty if it cannot be read.
std::vector<std::string> ListDirectory(const std::string& path);

struct ProcInterrupt {
  int irq = -1;
  uint64_t count = 0;  // sum over CPUs
  std::string name;    // last column: "virtio0-input.0"
};

// Numbered interrupts of /proc/interrupts; architecture lines (NMI, LOC, ...) are left out.
std::vector<ProcInterrupt> ParseProcInterrupts(std::string_view text);

// Addresses of the wanted function names in /proc/kallsyms text; absent where the kernel hides or
// lacks them (address 0 counts as hidden). A compiler's or linker's copy (".isra.0", ".llvm.12")
// stands for the name where there is no other; parts of a function (".cold", ".part.0") do not.
std::map<std::string, uint64_t, std::less<>> ParseKallsyms(std::string_view text,
                                                           const std::vector<std::string>& wanted);
std::map<std::string, uint64_t, std::less<>> ReadKallsyms(const std::vector<std::string>& wanted);

// Modules that are loaded and ready, by name: where their code is (0 where the kernel hides that).
// From /proc/modules text; lines that are not whole are left out.
std::map<std::string, uint64_t> ParseModules(std::string_view text);

// A virtual machine monitor's idea of its VM, from its command line (QEMU's -name and -uuid).
struct VmmNames {
  std::string name;
  std::string uuid;
};
VmmNames ParseVmmCommandLine(std::string_view nul_separated);

}  // namespace ringside

#endif  // RINGSIDE_AGENT_KERNEL_FILES_H_
