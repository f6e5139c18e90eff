// SPDX-License-Identifier: Apache-2.0
// Which queues a claim is about.
#include <algorithm>
#include <charconv>
#include <set>

#include "correlate/claim_measure.h"

namespace ringside {
namespace {

// '*' stands for any number of characters; both are short names.
bool Matches(std::string_view pattern, std::string_view text) {
  if (pattern.empty()) return text.empty();
  if (pattern.front() != '*') {
    return !text.empty() && text.front() == pattern.front() &&
           Matches(pattern.substr(1), text.substr(1));
  }
  for (size_t skip = 0; skip <= text.size(); ++skip) {
    if (Matches(pattern.substr(1), text.substr(skip))) return true;
  }
  return false;
}

bool NameMatches(const std::string& wanted, const std::string& name) {
  if (name.empty()) return false;
  if (wanted == name || name.ends_with("/" + wanted)) return true;
  if (wanted.find('*') == std::string::npos) return false;
  return Matches(wanted, name) || Matches("*/" + wanted, name);
}

std::optional<int32_t> NumberAfter(const std::string& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  int32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + prefix.size(), end, number);
  if (error != std::errc() || at != end) return std::nullopt;
  return number;
}

// Every name that a pair goes by.
std::vector<std::string> NamesOf(const QueuePair& pair) {
  std::vector<std::string> names;
  const LocalQueue* guest = pair.guest;
  if (guest != nullptr) {
    names.push_back(guest->Name());
    const std::string& irq_name = guest->info.irq_name;
    if (!irq_name.empty()) names.push_back(guest->node->name + "/" + irq_name);
  }
  if (pair.host != nullptr) {
    names.push_back(pair.host->Name());
    const std::string& vm = pair.host->info.vm_name;
    if (guest != nullptr && !vm.empty()) {
      names.push_back(vm + "/" + guest->info.device + "/" + guest->info.queue);
    }
  }
  return names;
}

bool OnNode(const QueuePair& pair, const std::string& node) {
  if (node.empty()) return true;
  if (pair.guest != nullptr && pair.guest->node->name == node) return true;
  return pair.host != nullptr && (pair.host->node->name == node || pair.host->info.vm_name == node);
}

bool IsNamed(const QueuePair& pair, const std::string& node, const std::string& queue) {
  if (const auto irq = NumberAfter(queue, "irq:")) {
    // The numbers of two nodes have nothing to do with each other.
    return pair.guest != nullptr && pair.guest->info.irq == *irq &&
           (node.empty() || pair.guest->node->name == node ||
            (pair.host != nullptr && pair.host->info.vm_name == node));
  }
  if (!OnNode(pair, node)) return false;
  if (const auto gsi = NumberAfter(queue, "gsi:")) {
    return pair.host != nullptr && pair.host->info.irq == *gsi;
  }
  const std::vector<std::string> names = NamesOf(pair);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return NameMatches(queue, name); });
}

std::string SomeOf(const std::vector<std::string>& names) {
  constexpr size_t kShown = 4;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

}  // namespace

std::string ClaimMeasure::NameOf(size_t pair) const {
  const QueuePair& queues = joined_->pairs()[pair];
  return queues.guest != nullptr ? queues.guest->Name() : queues.host->Name();
}

std::string ClaimMeasure::ShortName(size_t pair) const {
  const QueuePair& queues = joined_->pairs()[pair];
  return queues.guest != nullptr ? queues.guest->info.queue : queues.host->info.queue;
}

std::vector<size_t> ClaimMeasure::SameDevice(size_t pair) const {
  const auto device = [this](size_t at) {
    const std::string name = NameOf(at);
    return name.substr(0, name.rfind('/'));
  };
  std::vector<size_t> same;
  for (size_t i = 0; i < joined_->pairs().size(); ++i) {
    if (device(i) == device(pair)) same.push_back(i);
  }
  return same;
}

std::optional<size_t> ClaimMeasure::Sibling(size_t pair, const std::string& queue) const {
  for (const size_t other : SameDevice(pair)) {
    if (ShortName(other) == queue) return other;
  }
  return std::nullopt;
}

// A sum over several queues is one node's: that of the side that counts it.
void ClaimMeasure::KeepOneNode(const Claim& claim, QueueSet* set) const {
  if (claim.queue.find('*') == std::string::npos || claim.subject.counts.empty()) return;
  std::set<std::string> nodes;
  std::erase_if(set->pairs, [&](size_t pair) {
    const LocalQueue* side = SideOf(pair, claim.subject.counts.front());
    if (side != nullptr) nodes.insert(side->node->name);
    return side == nullptr;
  });
  if (set->pairs.empty() && set->why.empty()) {
    set->why = "no side that counts it is known for '" + claim.queue + "'";
  }
  if (nodes.size() < 2) return;
  set->pairs.clear();
  set->why = "'" + claim.queue + "' may be on " +
             SomeOf(std::vector<std::string>(nodes.begin(), nodes.end())) + "; name the node";
}

QueueSet ClaimMeasure::FindQueues(const Claim& claim) const {
  QueueSet set;
  std::vector<std::string> known;
  std::set<std::string> found;
  for (size_t i = 0; i < joined_->pairs().size(); ++i) {
    const QueuePair& pair = joined_->pairs()[i];
    if (OnNode(pair, claim.node)) known.push_back(NameOf(i));
    const bool named =
        claim.queue.empty() ? OnNode(pair, claim.node) : IsNamed(pair, claim.node, claim.queue);
    if (!named) continue;
    set.pairs.push_back(i);
    found.insert(NameOf(i));
  }
  const std::string on = claim.node.empty() ? "" : " on node '" + claim.node + "'";
  const std::vector<std::string> names(found.begin(), found.end());
  if (set.pairs.empty()) {
    set.why =
        claim.queue.empty() ? "no queue is known" + on : "unknown queue '" + claim.queue + "'" + on;
    if (!known.empty()) set.why += "; known are " + SomeOf(known);
  } else if (found.size() > 1 && claim.queue.find('*') == std::string::npos) {
    set.pairs.clear();
    set.why = claim.queue.empty() ? "the claim names no queue" + on + "; known are "
                                  : "'" + claim.queue + "'" + on + " may be ";
    set.why += SomeOf(names);
  }
  KeepOneNode(claim, &set);
  // What everything means, only its source knows; and between two lives of an agent nobody counted.
  set.open = claim.queue == "*" || set.pairs.size() > found.size();
  return set;
}

}  // namespace ringside
