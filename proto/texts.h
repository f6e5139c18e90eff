// SPDX-License-Identifier: Apache-2.0
// Texts that come from somewhere else: kernel logs, device names, a guest's say. They end up in
// terminals, JSON and SQL, so nothing but printable, valid UTF-8 gets past this point.
//
// Called by encoder, decoder, writer and reader, each on every record; cleaning twice changes
// nothing. Pure functions, any thread.
#ifndef RINGSIDE_PROTO_TEXTS_H_
#define RINGSIDE_PROTO_TEXTS_H_

#include <cstddef>
#include <string>

#include "correlate/records.h"
#include "proto/convert.h"

namespace ringside {

// Replaces control characters (but tab) and bytes that are no UTF-8 by '?', and cuts to `max_bytes`
// at the start of a character.
void CleanText(std::string& text, size_t max_bytes);

// CleanText on every text of the record. Parts whose labels become equal by it are added up, and
// those beyond kPartsMax left out.
void CleanTexts(Record& record);

// Calls `visit(std::string& text, size_t bytes_max, const char* what)` for every text of a record.
template <typename Visit>
void ForEachText(Hello& hello, const Visit& visit) {
  visit(hello.key.machine_id, kNameBytesMax, "machine id");
  visit(hello.key.boot_id, kNameBytesMax, "boot id");
  visit(hello.key.instance, kNameBytesMax, "instance");
  visit(hello.name, kNameBytesMax, "node's name");
  visit(hello.version, kNameBytesMax, "version");
  visit(hello.kernel, kNameBytesMax, "kernel's name");
  visit(hello.arch, kNameBytesMax, "architecture's name");
  visit(hello.smbios_uuid, kNameBytesMax, "SMBIOS UUID");
  for (HookInfo& hook : hello.hooks) {
    visit(hook.stage, kNameBytesMax, "hook's stage");
    visit(hook.program, kNameBytesMax, "hook's program");
    visit(hook.target, kNameBytesMax, "hook's target");
    visit(hook.reason, kTextBytesMax, "hook's reason");
  }
}

template <typename Visit>
void ForEachText(QueueInfo& queue, const Visit& visit) {
  visit(queue.device, kNameBytesMax, "queue's device");
  visit(queue.queue, kNameBytesMax, "queue's name");
  visit(queue.irq_name, kNameBytesMax, "interrupt's name");
  visit(queue.vm_id, kNameBytesMax, "VM's id");
  visit(queue.vm_name, kNameBytesMax, "VM's name");
  visit(queue.vm_uuid, kNameBytesMax, "VM's UUID");
}

template <typename Visit>
void ForEachText(LogLine& line, const Visit& visit) {
  visit(line.text, kTextBytesMax, "log line");
}

template <typename Visit>
void ForEachText(Fact& fact, const Visit& visit) {
  visit(fact.name, kNameBytesMax, "fact's name");
  visit(fact.value, kTextBytesMax, "fact's value");
}

template <typename Visit>
void ForEachText(Gap& gap, const Visit& visit) {
  visit(gap.what, kTextBytesMax, "gap's text");
}

template <typename Visit>
void ForEachText(Bye& bye, const Visit& visit) {
  visit(bye.reason, kTextBytesMax, "reason of the end");
}

template <typename Visit>
void ForEachText(Snapshot& snapshot, const Visit& visit) {
  for (Part& part : snapshot.parts) visit(part.label, kNameBytesMax, "part's label");
}

template <typename Visit>
void ForEachText(Marks&, const Visit&) {}
template <typename Visit>
void ForEachText(EventChunk&, const Visit&) {}
template <typename Visit>
void ForEachText(ClockExchange&, const Visit&) {}

template <typename Visit>
void ForEachText(Record& record, const Visit& visit) {
  std::visit([&visit](auto& body) { ForEachText(body, visit); }, record);
}

}  // namespace ringside

#endif  // RINGSIDE_PROTO_TEXTS_H_
