#include "pack_table.h"

#include <map>
#include <vector>

#include "pack.h"

namespace torchferry::jni {
namespace {

// The flags of io.torchferry.TensorTable.
enum Flag : std::int32_t {
  kRequiresGrad = 1,
  kParameter = 2,
  kBuffer = 4,
  kConj = 8,
  kNeg = 16,
  kContiguous = 32,
  kPlain = 64,
};

std::int32_t flags(const TensorTable& table, const TensorRow& row) {
  return (row.requires_grad ? kRequiresGrad : 0) | (row.parameter ? kParameter : 0) |
         (row.buffer ? kBuffer : 0) | (row.conj ? kConj : 0) | (row.neg ? kNeg : 0) |
         (table.is_contiguous(row) ? kContiguous : 0) | (table.is_plain_range(row) ? kPlain : 0);
}

/// What several rows refer to, gathered while the rows are written.
struct Pools {
  std::vector<std::int64_t> dims;
  std::vector<std::uint32_t> parts;
  std::vector<std::string> messages;
  std::map<std::string, std::int32_t, std::less<>> message_numbers;

  std::int32_t message(std::string_view text) {
    if (text.empty()) return -1;
    const auto known = message_numbers.find(text);
    if (known != message_numbers.end()) return known->second;
    const auto number = static_cast<std::int32_t>(messages.size());
    messages.emplace_back(text);
    message_numbers.emplace(text, number);
    return number;
  }
};

void pack_row(PackWriter& out, const TensorTable& table, const TensorRow& row, Pools& pools) {
  out.u8(static_cast<std::uint8_t>(row.dtype));
  out.u8(static_cast<std::uint8_t>(row.layout));
  out.u8(static_cast<std::uint8_t>(row.qscheme));
  out.u8(0);
  out.i32(flags(table, row));
  out.i32(row.storage == kNone ? -1 : static_cast<std::int32_t>(row.storage));
  out.i32(static_cast<std::int32_t>(row.location));
  out.i64(row.storage_offset);
  out.i64(static_cast<std::int64_t>(row.numel));
  out.i64(static_cast<std::int64_t>(table.nbytes(row)));
  out.f64(row.scale);
  out.i64(row.zero_point);
  out.i64(row.axis);
  out.count(row.dim);
  out.count(pools.dims.size());
  out.count(pools.parts.size());
  out.count(row.part_count);
  out.i32(pools.message(table.unsupported(row)));
  out.i32(0);
  for (const std::int64_t size : table.sizes(row)) pools.dims.push_back(size);
  for (const std::int64_t stride : table.strides(row)) pools.dims.push_back(stride);
  for (const std::uint32_t part : table.parts(row)) pools.parts.push_back(part);
}

/// The first name of each tensor in the whole content, "" for those without one.
std::vector<std::string_view> first_keys(const Checkpoint& checkpoint) {
  std::vector<std::string_view> keys(checkpoint.table().tensors().size());
  const std::vector<Entry>& entries = checkpoint.entries();
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) keys[entry->tensor] = entry->key;
  return keys;
}

}  // namespace

std::string packed_table(const Checkpoint& checkpoint) {
  const TensorTable& table = checkpoint.table();
  Pools pools;
  PackWriter rows;
  for (const TensorRow& row : table.tensors()) pack_row(rows, table, row, pools);

  PackWriter out;
  out.count(table.tensors().size());
  out.count(table.storages().size());
  out.count(pools.parts.size());
  out.i64(static_cast<std::int64_t>(pools.dims.size()));
  out.raw(rows.bytes().data(), rows.bytes().size());
  for (const StorageRow& storage : table.storages()) {
    out.i64(static_cast<std::int64_t>(storage.nbytes));
    out.i64(static_cast<std::int64_t>(storage.file_offset));
    out.i32(static_cast<std::int32_t>(storage.location));
    out.i32(storage.mappable() ? 1 : 0);
    out.i32(storage.assembled() ? -1 : static_cast<std::int32_t>(storage.file));
  }
  for (const std::uint32_t part : pools.parts) out.i32(static_cast<std::int32_t>(part));
  out.raw(pools.dims.data(), pools.dims.size() * sizeof(std::int64_t));
  out.names(table.locations());
  out.names(pools.messages);
  out.names(table.storages().size(), [&](std::size_t i) { return table.storages()[i].key; });
  out.names(first_keys(checkpoint));
  // The name of a checkpoint that is one file is known.
  const bool several = checkpoint.format() == Format::sharded || checkpoint.format() == Format::distributed;
  out.names(several ? checkpoint.file_count() : 0,
            [&](std::size_t i) -> std::string_view { return checkpoint.file_name(static_cast<std::uint32_t>(i)); });
  return out.bytes();
}

std::string packed_entries(std::span<const Entry> entries) {
  PackWriter out;
  out.count(entries.size());
  for (const Entry& entry : entries) out.i32(static_cast<std::int32_t>(entry.tensor));
  out.names(entries.size(), [&](std::size_t i) { return entries[i].key; });
  return out.bytes();
}

}  // namespace torchferry::jni
