// SPDX-License-Identifier: Apache-2.0
#include "proto/address.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace ringside {
namespace {

constexpr size_t kUnixPathMax = 107;  // sun_path without its final 0
constexpr std::string_view kUnix = "unix:";

bool IsPort(std::string_view text) {
  int port = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 0 && port <= 65535;
}

// 127.0.0.0/8 in dotted form; a name such as 127.example.org is none.
bool IsLoopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  return host.substr(0, 4) == "127." &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

absl::StatusOr<Address> ParseAddress(const std::string& text) {
  Address address;
  if (std::string_view(text).substr(0, kUnix.size()) == kUnix) {
    address.unix_path = text.substr(kUnix.size());
    if (address.unix_path.empty() || address.unix_path.size() > kUnixPathMax) {
      return absl::InvalidArgumentError(
          fmt::format("{}: a socket's path has 1 to {} bytes", text, kUnixPathMax));
    }
    address.target = text;
    address.local = true;
    return address;
  }
  const size_t colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    host.clear();  // an IPv6 address without brackets
  }
  if (colon == std::string::npos || host.empty() ||
      !IsPort(std::string_view(text).substr(colon + 1))) {
    return absl::InvalidArgumentError(
        fmt::format("'{}' is no address: give host:port or unix:/path", text));
  }
  address.target = text;
  address.local = IsLoopback(host);
  return address;
}

absl::StatusOr<VsockAddress> ParseVsock(const std::string& text) {
  const auto number = [](std::string_view word) -> std::optional<uint32_t> {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    // The largest number means "any", which nobody can be reached at.
    if (error != std::errc() || end != word.data() + word.size() || value == UINT32_MAX) {
      return std::nullopt;
    }
    return value;
  };
  const std::string_view rest = std::string_view(text).substr(
      text.starts_with(kVsockPrefix) ? kVsockPrefix.size() : text.size());
  const size_t colon = rest.find(':');
  const auto port = number(colon == std::string_view::npos ? rest : rest.substr(colon + 1));
  const auto cid = colon == std::string_view::npos ? uint32_t{0} : number(rest.substr(0, colon));
  if (!port || !cid || (colon != std::string_view::npos && *cid == 0)) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is no vsock address: give vsock:CID:PORT (2 is the host), or vsock:PORT to listen",
        text));
  }
  return VsockAddress{*cid, *port};
}

}  // namespace ringside
