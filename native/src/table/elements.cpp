#include <torchferry/checkpoint.h>
#include <torchferry/error.h>

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "container/crc32.h"
#include "table/content_index.h"

// Bytes of storages and elements of tensors, read from the file without libtorch.

namespace torchferry {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 20;

[[noreturn]] void misuse(const char* message) { throw Error(ErrorCode::invalid_argument, message); }

void swap_units(std::span<std::byte> bytes, std::size_t width) {
  for (std::size_t i = 0; i + width <= bytes.size(); i += width) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(i), bytes.begin() + static_cast<std::ptrdiff_t>(i + width));
  }
}

std::string record_name(const Checkpoint::State& state, const StorageRow& row) {
  if (row.record == kNone || row.assembled() || !state.archive_of(row)) return std::string(row.key);
  return std::string(state.archive_of(row)->records()[row.record].name);
}

void require_sum(const Checkpoint::State& state, const StorageRow& row, std::uint32_t sum) {
  if (sum == row.crc32) return;
  throw Error(ErrorCode::corrupt, state.source_of(row).name(), record_name(state, row), 0,
              "the bytes do not match their recorded CRC-32: the file was damaged after it was written");
}

/// Applies the lazy conjugate and negative bits to one element.
void resolve_bits(std::span<std::byte> element, const TensorRow& row) {
  constexpr std::byte sign{0x80};
  if (is_complex(row.dtype)) {
    const std::size_t half = element.size() / 2;
    if (row.neg) element[half - 1] ^= sign;
    if (row.neg != row.conj) element[element.size() - 1] ^= sign;
  } else if (row.neg && is_floating_point(row.dtype)) {
    element[element.size() - 1] ^= sign;
  } else if (row.neg) {
    unsigned carry = 1;
    for (std::byte& byte : element) {
      carry += static_cast<unsigned>(~byte & std::byte{0xFF});
      byte = static_cast<std::byte>(carry & 0xFFu);
      carry >>= 8;
    }
  }
}

/// Elements as they lie in a storage.
struct Geometry {
  std::span<const std::int64_t> sizes;
  std::span<const std::int64_t> strides;
  std::uint64_t offset;
  std::size_t width;  ///< bytes of an element
};

/// Copies elements [first, first + n) in row-major order out of a storage in memory.
void gather(const Geometry& geometry, std::span<const std::byte> storage, std::uint64_t first,
            std::span<std::byte> out) {
  const auto [sizes, strides, offset, width] = geometry;
  std::vector<std::uint64_t> index(sizes.size(), 0);
  std::uint64_t rest = first;
  std::uint64_t element = offset;
  for (std::size_t d = sizes.size(); d-- > 0;) {
    index[d] = rest % static_cast<std::uint64_t>(sizes[d]);
    rest /= static_cast<std::uint64_t>(sizes[d]);
    element += index[d] * static_cast<std::uint64_t>(strides[d]);
  }
  for (std::size_t at = 0; at < out.size(); at += width) {
    std::memcpy(out.data() + at, storage.data() + element * width, width);
    for (std::size_t d = sizes.size(); d-- > 0;) {
      element += static_cast<std::uint64_t>(strides[d]);
      if (++index[d] < static_cast<std::uint64_t>(sizes[d])) break;
      element -= static_cast<std::uint64_t>(strides[d]) * static_cast<std::uint64_t>(sizes[d]);
      index[d] = 0;
    }
  }
}

/// Fills `out` with the bytes of a storage that is whole in its file, as they are in memory.
void read_file_storage(const Checkpoint::State& state, const StorageRow& row, std::span<std::byte> out, bool verify) {
  if (row.deflated) {
    state.archive_of(row)->read_into(row.record, out, verify);
  } else {
    std::uint32_t sum = 0;
    for (std::size_t at = 0; at < out.size(); at += kChunk) {
      const auto part = out.subspan(at, std::min(kChunk, out.size() - at));
      state.source_of(row).read_at(row.file_offset + at, part);
      if (verify) sum = crc32(sum, part);
    }
    if (verify && row.crc32 != 0) require_sum(state, row, sum);
  }
  if (row.swap_width > 1) swap_units(out, row.swap_width);
}

/// Checks the recorded sum of a storage that is read in parts.
void verify_storage(const Checkpoint::State& state, const StorageRow& row) {
  if (row.crc32 == 0) return;
  std::vector<std::byte> part(std::min<std::uint64_t>(kChunk, row.nbytes));
  std::uint32_t sum = 0;
  for (std::uint64_t at = 0; at < row.nbytes; at += part.size()) {
    part.resize(std::min<std::uint64_t>(part.size(), row.nbytes - at));
    state.source_of(row).read_at(row.file_offset + at, part);
    sum = crc32(sum, part);
  }
  require_sum(state, row, sum);
}

bool is_contiguous(const Piece& piece) {
  std::int64_t expected = 1;
  for (std::size_t d = piece.size.size(); d-- > 0;) {
    if (piece.size[d] != 1 && piece.stride[d] != expected) return false;
    expected *= piece.size[d];
  }
  return true;
}

/// Fills `out` with bytes of a tensor that is put together, `first` bytes from its start.
void read_assembled(const Checkpoint::State& state, const StorageRow& row, std::uint64_t first,
                    std::span<std::byte> out, bool verify) {
  const Assembly& assembly = state.assemblies[row.assembly];
  const std::size_t width = assembly.item_bytes;
  if (first % width != 0 || out.size() % width != 0) misuse("not whole elements of a tensor that was saved in pieces");
  for (const Piece& piece : assembly.pieces) {
    const StorageRow& storage = piece.storage;
    std::shared_ptr<const std::byte> map;
    std::vector<std::byte> decoded;
    const bool direct = storage.readable_in_parts() && is_contiguous(piece);
    if (!storage.readable_in_parts()) {
      decoded.resize(storage.nbytes);
      read_file_storage(state, storage, decoded, verify);
    } else if (verify) {
      verify_storage(state, storage);
    }
    const ReadPiece read = [&](const Piece&, std::uint64_t from, std::span<std::byte> to) {
      if (direct) {
        state.source_of(storage).read_at(storage.file_offset + (piece.storage_offset + from) * width, to);
        return;
      }
      if (decoded.empty() && !map) map = state.source_of(storage).map();
      const std::span<const std::byte> all =
          map ? std::span(map.get() + storage.file_offset, storage.nbytes) : std::span<const std::byte>(decoded);
      gather({piece.size, piece.stride, piece.storage_offset, width}, all, from, to);
    };
    place_piece(assembly, piece, first, out, read);
  }
}

/// A storage that cannot be used as it stands in the file, kept while one tensor after the other is read from it.
std::shared_ptr<const std::vector<std::byte>> inflated_storage(const Checkpoint& checkpoint,
                                                               const Checkpoint::State& state, std::uint32_t row) {
  {
    const std::lock_guard lock(state.mutex);
    if (state.inflated_row == row) return state.inflated;
  }
  const StorageRow& storage = state.table.storages()[row];
  auto bytes = std::make_shared<std::vector<std::byte>>(storage.nbytes);
  checkpoint.read_storage(storage, *bytes, false);
  const std::lock_guard lock(state.mutex);
  state.inflated_row = row;
  state.inflated = bytes;
  return bytes;
}

}  // namespace

Checkpoint::Bytes Checkpoint::bytes(const TensorRow& row) const {
  if (!state_->table.is_plain_range(row)) {
    throw Error(ErrorCode::unsupported, state_->source->name(), {}, std::nullopt,
                "the tensor's elements are not one range of the file (not contiguous, compressed, or in another byte "
                "order); read its elements instead");
  }
  const StorageRow& storage = state_->table.storages()[row.storage];
  std::shared_ptr<const std::byte> map = state_->source_of(storage).map();
  const std::uint64_t skip =
      static_cast<std::uint64_t>(row.storage_offset) / elements_per_item(row.dtype) * itemsize(row.dtype);
  const std::uint64_t size = state_->table.nbytes(row);
  const std::byte* const start = map.get() + storage.file_offset + (size == 0 ? 0 : skip);
  return {{start, size}, std::move(map)};
}

void Checkpoint::read_elements(const TensorRow& row, std::uint64_t first, std::span<std::byte> out) const {
  const TensorTable& table = state_->table;
  const std::size_t width = itemsize(row.dtype);
  if (row.storage == kNone) {
    throw Error(ErrorCode::unsupported, state_->source->name(), {}, std::nullopt,
                "a " + std::string(torchferry::name(row.layout)) + " or meta tensor has no elements of its own to read");
  }
  const std::uint64_t items = table.nbytes(row) / width;
  if (out.size() % width != 0) misuse("the size of `out` is not a multiple of the element size");
  if (!range_within(first, out.size() / width, items)) misuse("elements beyond the end of the tensor");
  if (out.empty()) return;
  const StorageRow& storage = table.storages()[row.storage];
  if (table.is_plain_range(row)) {
    const std::uint64_t skip = static_cast<std::uint64_t>(row.storage_offset) / elements_per_item(row.dtype) + first;
    return state_->source_of(storage).read_at(storage.file_offset + skip * width, out);
  }
  if (storage.assembled() && storage.readable_in_parts()) return read_storage_range(storage, first * width, out);
  if (elements_per_item(row.dtype) != 1 && !table.is_contiguous(row)) {
    throw Error(ErrorCode::unsupported, state_->source->name(), {}, std::nullopt,
                "elements of a packed quantized tensor that is not contiguous");
  }
  const Geometry geometry{table.sizes(row), table.strides(row), static_cast<std::uint64_t>(row.storage_offset), width};
  if (storage.mappable()) {
    const auto map = state_->source_of(storage).map();
    gather(geometry, {map.get() + storage.file_offset, storage.nbytes}, first, out);
  } else {
    gather(geometry, *inflated_storage(*this, *state_, row.storage), first, out);
  }
  if (!row.conj && !row.neg) return;
  for (std::size_t at = 0; at < out.size(); at += width) resolve_bits(out.subspan(at, width), row);
}

void Checkpoint::read_file(std::uint32_t file, std::uint64_t offset, std::span<std::byte> out) const {
  if (file >= file_count()) misuse("there is no such file");
  (state_->files.empty() ? *state_->source : *state_->files[file].source).read_at(offset, out);
}

std::string Checkpoint::record_name(const StorageRow& row) const { return torchferry::record_name(*state_, row); }

void Checkpoint::read_storage(const StorageRow& row, std::span<std::byte> out, bool verify) const {
  if (out.size() != row.nbytes) misuse("the size of `out` is not the storage's");
  try {
    if (row.assembled()) {
      read_assembled(*state_, row, 0, out, verify);
    } else {
      read_file_storage(*state_, row, out, verify);
    }
  } catch (const Error& error) {
    throw error.in(state_->source->name(), row.assembled() ? record_name(row) : std::string());
  }
}

void Checkpoint::read_storage_range(const StorageRow& row, std::uint64_t offset, std::span<std::byte> out) const {
  if (!row.readable_in_parts()) misuse("parts of a compressed or byte-swapped storage cannot be read");
  if (!range_within(offset, out.size(), row.nbytes)) misuse("bytes beyond the end of the storage");
  try {
    if (row.assembled()) return read_assembled(*state_, row, offset, out, false);
    state_->source_of(row).read_at(row.file_offset + offset, out);
  } catch (const Error& error) {
    throw error.in(state_->source->name(), record_name(row));
  }
}

}  // namespace torchferry
