// SPDX-License-Identifier: Apache-2.0
#include "agent/vhost_user_log.h"

#include <charconv>
#include <optional>

namespace ringside {
namespace {

// What follows `mark`; nothing if it is not there.
std::optional<std::string_view> After(std::string_view text, std::string_view mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  return text.substr(at + mark.size());
}

// What stands before `mark`; nothing if it is not there.
std::optional<std::string_view> Before(std::string_view text, std::string_view mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  return text.substr(0, at);
}

// The number that the text begins with.
std::optional<int> Number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

}  // namespace

void VhostUserLog::Feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (rest_.size() <= kLineBytesMax) rest_.append(piece.substr(0, kLineBytesMax + 1));
    if (end == std::string_view::npos) return;
    if (rest_.size() <= kLineBytesMax) OnLine(rest_);
    rest_.clear();
    bytes.remove_prefix(end + 1);
  }
}

void VhostUserLog::OnLine(std::string_view line) {
  if (After(line, "|00001|vlog|INFO|opened log file")) {
    calls_.clear();
    port_of_.clear();
    bridge_of_.clear();
  } else if (const auto call = After(line, "VHOST_CONFIG: (")) {
    OnCall(*call);
  } else if (const auto bridge = After(line, "|bridge|INFO|bridge ")) {
    OnBridge(*bridge);
  } else if (const auto device = After(line, "|vHost User device '")) {
    const auto port = Before(*device, "' created in 'client' mode");
    const auto socket = After(*device, "using client socket '");
    if (!port || !socket || port_of_.size() >= kNamesMax) return;
    port_of_[std::string(socket->substr(0, socket->find('\'')))] = *port;
  } else if (const auto server = After(line, "|Socket ")) {
    const auto socket = Before(*server, " created for vhost-user port ");
    const auto port = After(*server, " created for vhost-user port ");
    if (socket && port && port_of_.size() < kNamesMax) port_of_[std::string(*socket)] = *port;
  }
}

void VhostUserLog::OnBridge(std::string_view text) {
  const auto bridge = Before(text, ": ");
  if (!bridge) return;
  const auto added = After(text, ": added interface ");
  const auto deleted = After(text, ": deleted interface ");
  const auto port = Before(added ? *added : deleted.value_or(""), " on port ");
  if (!port) return;
  if (deleted) bridge_of_.erase(std::string(*port));
  if (added && bridge_of_.size() < kNamesMax) bridge_of_[std::string(*port)] = *bridge;
}

// A descriptor that is said again belongs to the ring that was said last; so does a ring.
void VhostUserLog::OnCall(std::string_view text) {
  const auto socket = Before(text, ") vring call idx:");
  const auto rest = After(text, ") vring call idx:");
  if (!socket || !rest) return;
  const auto vring = Number(*rest);
  const auto fd = Number(After(*rest, " file:").value_or(""));
  if (!vring || *vring < 0 || !fd) return;
  const VringPlace place{std::string(*socket), static_cast<uint32_t>(*vring)};
  std::erase_if(calls_, [&](const auto& call) { return call.second == place; });
  calls_.erase(*fd);
  if (*fd >= 0 && calls_.size() < kRingsMax) calls_[*fd] = place;
}

std::string VhostUserLog::Port(const std::string& socket) const {
  const auto port = port_of_.find(socket);
  return port == port_of_.end() ? "" : port->second;
}

std::string VhostUserLog::Bridge(const std::string& port) const {
  const auto bridge = bridge_of_.find(port);
  return bridge == bridge_of_.end() ? "" : bridge->second;
}

}  // namespace ringside
