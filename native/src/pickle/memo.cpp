#include "pickle/memo.h"

namespace torchferry::pickle {
namespace {

constexpr std::size_t kSlack = 1024;

}  // namespace

void MemoTable::put_out_of_order(std::uint32_t index, NodeId value) {
  if (index >= count_ + kSlack && index >= dense_.size()) {
    if (sparse_.insert_or_assign(index, value).second) ++count_;
    return;
  }
  while (index >= dense_.size()) dense_.push_back(kAbsent);
  if (dense_[index] == kAbsent && sparse_.erase(index) == 0) ++count_;
  dense_[index] = value;
}

NodeId MemoTable::get_sparse(std::uint32_t index) const noexcept {
  const auto entry = sparse_.find(index);
  return entry == sparse_.end() ? kAbsent : entry->second;
}

}  // namespace torchferry::pickle
