#include "fuzz/reading.h"

#include <torchferry/compare.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "base/checked.h"
#include "container/crc32.h"
#include "container/zip_archive.h"
#include "fuzz/value_text.h"
#include "io/byte_source.h"

namespace torchferry::fuzz {
namespace {

constexpr std::uint64_t kMostBytesOfTensor = 4096;
constexpr std::uint64_t kMostBytesOfStorage = std::uint64_t{1} << 20;
constexpr std::size_t kMostTensors = 200;
constexpr std::size_t kMostPaths = 8;

void require(bool kept, const char* promise) {
  if (!kept) throw BrokenPromise(promise);
}

std::string number(std::uint64_t value) { return std::to_string(value); }

/// What `action` gives, or the Error that it ends in, as text.
template <class Action>
std::string text_of(const std::string& file, Action&& action) {
  try {
    return action();
  } catch (const Error& error) {
    require_fitting(error, file);
    return std::string("error ") + name(error.code()) + " " + error.record() + " " +
           (error.offset() ? number(*error.offset()) : "") + " " + error.message();
  }
}

/// The elements that a view reaches, counted in a way of its own: wide numbers instead of checked ones.
void require_reach(const Checkpoint& checkpoint, const TensorRow& row) {
  const TensorTable& table = checkpoint.table();
  require(row.location < table.locations().size(), "a tensor's location is not listed");
  for (const std::uint32_t part : table.parts(row)) require(part < table.tensors().size(), "a part is no tensor");
  __extension__ using Wide = unsigned __int128;
  Wide numel = 1, reach = 1;
  for (std::size_t i = 0; i < row.dim; ++i) {
    const std::int64_t size = table.sizes(row)[i], stride = table.strides(row)[i];
    require(size >= 0 && stride >= 0, "a negative size or stride");
    numel *= static_cast<Wide>(size);
    if (size > 0) reach += static_cast<Wide>(size - 1) * static_cast<Wide>(stride);
  }
  if (row.layout != Layout::strided) return;
  require(numel == row.numel, "numel is not the product of the sizes");
  if (row.storage == kNone) return;
  require(row.storage < table.storages().size(), "a tensor's storage is not listed");
  require(row.storage_offset >= 0, "a negative storage offset");
  if (numel == 0) return;
  const Wide per_item = elements_per_item(row.dtype);
  const Wide items = (reach + static_cast<Wide>(row.storage_offset) + per_item - 1) / per_item;
  require(items * itemsize(row.dtype) <= table.storages()[row.storage].nbytes, "a view passes its storage");
}

std::string storage_text(const Checkpoint& checkpoint, const StorageRow& storage) {
  require(range_within(storage.file_offset, storage.stored_bytes, checkpoint.size()), "a storage passes the file");
  require(storage.deflated || storage.stored_bytes == storage.nbytes, "stored bytes are not the bytes in memory");
  std::string text = "storage " + std::string(storage.key) + " " + checkpoint.record_name(storage) + " " +
                     number(storage.nbytes) + " at " + number(storage.file_offset) + " swap " +
                     number(storage.swap_width);
  if (storage.nbytes > kMostBytesOfStorage) return text + "\n";
  return text + " sum " + text_of(checkpoint.name(), [&] {
           std::vector<std::byte> bytes(static_cast<std::size_t>(storage.nbytes));
           checkpoint.read_storage(storage, bytes, true);
           return number(crc32(0, bytes));
         }) + "\n";
}

std::string elements_text(const Checkpoint& checkpoint, const TensorRow& row) {
  const std::uint64_t width = itemsize(row.dtype);
  const std::uint64_t items = checkpoint.table().nbytes(row) / width;
  const std::uint64_t count = std::min(items, kMostBytesOfTensor / width);
  std::vector<std::byte> first(static_cast<std::size_t>(count * width)), last(first.size());
  checkpoint.read_elements(row, 0, first);
  checkpoint.read_elements(row, items - count, last);
  if (checkpoint.table().is_plain_range(row)) {
    const Checkpoint::Bytes mapped = checkpoint.bytes(row);
    require(mapped.bytes.size() == items * width, "the mapped bytes are not the tensor's");
    require(std::equal(first.begin(), first.end(), mapped.bytes.begin()), "mapped and read bytes differ");
    require(std::equal(last.rbegin(), last.rend(), mapped.bytes.rbegin()), "mapped and read bytes differ");
  }
  return number(crc32(0, first)) + " " + number(crc32(0, last));
}

std::string tensor_text(const Checkpoint& checkpoint, const TensorRow& row, bool read) {
  require_reach(checkpoint, row);
  const TensorTable& table = checkpoint.table();
  std::string text = "tensor " + std::string(name(row.dtype)) + " " + std::string(name(row.layout)) + " " +
                     std::string(name(row.qscheme)) + " in " + number(row.storage) + " + " +
                     number(static_cast<std::uint64_t>(row.storage_offset)) + " on " + table.location(row);
  for (const bool flag : {row.requires_grad, row.parameter, row.buffer, row.conj, row.neg, row.coalesced}) {
    text += flag ? " 1" : " 0";
  }
  for (const std::int64_t size : table.sizes(row)) text += " " + std::to_string(size);
  for (const std::int64_t stride : table.strides(row)) text += " " + std::to_string(stride);
  for (const std::uint32_t part : table.parts(row)) text += " part " + number(part);
  text += " " + number(table.nbytes(row)) + " " + std::string(table.unsupported(row));
  const bool readable = read && row.layout == Layout::strided && row.storage != kNone &&
                        table.storages()[row.storage].nbytes <= kMostBytesOfStorage;
  if (readable) text += " sums " + text_of(checkpoint.name(), [&] { return elements_text(checkpoint, row); });
  return text + "\n";
}

std::string entries_text(const Checkpoint& checkpoint, const std::vector<Entry>& entries) {
  std::string text;
  for (const Entry& entry : entries) {
    require(entry.tensor < checkpoint.table().tensors().size(), "an entry is no tensor");
    text += std::string(entry.key) + " = " + number(entry.tensor) + "\n";
  }
  return text;
}

std::string content_text(const Checkpoint& checkpoint) {
  std::string text;
  for (const std::string& global : checkpoint.opaque_globals()) text += "global " + global + "\n";
  ValuePtr root;
  text += text_of(checkpoint.name(), [&] {
    root = checkpoint.root();
    return root ? value_text(*root) : std::string("no content");
  });
  text += text_of(checkpoint.name(), [&] {
    const ValuePtr metadata = checkpoint.metadata({});
    return metadata ? value_text(*metadata) : std::string();
  });
  std::size_t paths = 0;
  if (!root || root->kind != Value::Kind::dict) return text;
  for (const auto& [key, value] : root->entries) {
    if (key->kind != Value::Kind::string || ++paths > kMostPaths) continue;
    const std::vector<std::string> path{key->text};
    text += text_of(checkpoint.name(), [&] {
      return entries_text(checkpoint, checkpoint.entries(path));
    });
  }
  return text;
}

/// The doors that look at all bytes: a tensor is the same as itself, and two that can be compared are compared.
void check_and_compare(const Checkpoint& checkpoint) {
  checkpoint.state_dict_places();
  checkpoint.save_count();
  if (checkpoint.size() <= kMostBytesOfStorage) checkpoint.verify({.threads = 1, .progress = nullptr});
  const auto rows = checkpoint.table().tensors();
  for (std::size_t i = 0; i < rows.size() && i < kMostPaths; ++i) {
    const TensorRow& other = rows[(i + 1) % rows.size()];
    if (checkpoint.table().nbytes(rows[i]) > kMostBytesOfStorage) continue;
    text_of(checkpoint.name(), [&] {
      const CompareOptions one_thread{.tolerance = {}, .threads = 1};
      if (comparable(checkpoint, rows[i], checkpoint, rows[i])) {
        require(compare(checkpoint, rows[i], checkpoint, rows[i], one_thread).different == 0, "a tensor is not itself");
      }
      if (comparable(checkpoint, rows[i], checkpoint, other)) compare(checkpoint, rows[i], checkpoint, other, one_thread);
      return std::string();
    });
  }
}

}  // namespace

void require_fitting(const Error& error, const std::string& file) {
  switch (error.code()) {
    case ErrorCode::corrupt:
    case ErrorCode::unsafe:
    case ErrorCode::unsupported:
    case ErrorCode::limit_exceeded: break;
    // A path that names nothing, parts of a flat file, tensors without elements of their own.
    case ErrorCode::invalid_argument: break;
    default: throw BrokenPromise(std::string("no file may cause this: ") + error.what());
  }
  if (error.file() != file) throw BrokenPromise(std::string("the file is not named: ") + error.what());
}

bool reads_zip(std::span<const std::byte> bytes) {
  try {
    const ZipArchive archive = ZipArchive::open(memory_source(bytes, nullptr, kFile), {});
    for (std::uint32_t i = 0; i < archive.records().size(); ++i) {
      const Record& record = archive.records()[i];
      require(range_within(record.offset, record.stored_bytes, bytes.size()), "a record passes the end");
      require(record.name.starts_with(archive.root()), "a record outside the root");
      const std::string_view below = record.name.substr(archive.root().size() + 1);
      require(archive.find(below) == i, "a record is not found by its name");
      archive.read(i, kMostBytesOfStorage, "test", true);
    }
    return true;
  } catch (const Error& error) {
    require_fitting(error, kFile);
    require(error.code() != ErrorCode::invalid_argument && error.code() != ErrorCode::unsafe, error.what());
    return false;
  }
}

bool reads_checkpoint(std::span<const std::byte> bytes, const OpenOptions& options) {
  std::optional<Checkpoint> checkpoint;
  try {
    checkpoint = Checkpoint::open(bytes, nullptr, kFile, options);
  } catch (const Error& error) {
    require_fitting(error, kFile);
    require(error.code() != ErrorCode::invalid_argument, error.what());
    return false;
  }
  everything(*checkpoint);
  check_and_compare(*checkpoint);
  return true;
}

std::string everything(const Checkpoint& checkpoint) {
  const TensorTable& table = checkpoint.table();
  std::string text = std::string(name(checkpoint.format())) + " " + number(checkpoint.size()) + "\n";
  for (const std::string& location : table.locations()) text += "location " + location + "\n";
  std::size_t read = 0;
  for (const StorageRow& storage : table.storages()) {
    if (++read <= kMostTensors) text += storage_text(checkpoint, storage);
  }
  read = 0;
  for (const TensorRow& row : table.tensors()) text += tensor_text(checkpoint, row, ++read <= kMostTensors);
  return text + entries_text(checkpoint, checkpoint.entries()) + content_text(checkpoint);
}

void folder_contents(const Checkpoint& checkpoint) {
  const TensorTable& table = checkpoint.table();
  const auto reading = [](auto&& read) {
    try {
      read();
    } catch (const Error& error) {
      require_fitting(error, error.file());
      require(!error.file().empty(), "the file is not named");
    }
  };
  entries_text(checkpoint, checkpoint.entries());
  for (const TensorRow& row : table.tensors()) {
    require_reach(checkpoint, row);
    if (row.layout != Layout::strided || row.storage == kNone) continue;
    const StorageRow& storage = table.storages()[row.storage];
    require(storage.file < checkpoint.file_count(), "a storage is in no file");
    if (storage.nbytes > kMostBytesOfStorage || table.nbytes(row) > kMostBytesOfStorage) continue;
    reading([&] {
      std::vector<std::byte> bytes(static_cast<std::size_t>(table.nbytes(row)));
      checkpoint.read_elements(row, 0, bytes);
      bytes.resize(static_cast<std::size_t>(storage.nbytes));
      checkpoint.read_storage(storage, bytes, true);
    });
  }
  reading([&] { value_text(*checkpoint.root()); });
  checkpoint.state_dict_places();
  checkpoint.opaque_globals();
  checkpoint.verify({.threads = 1, .progress = nullptr});
}

std::string outcome(const std::function<Checkpoint()>& open) {
  std::optional<Checkpoint> checkpoint;
  try {
    checkpoint = open();
  } catch (const Error& error) {
    require_fitting(error, error.file());
    return std::string("refused ") + name(error.code()) + " " + error.record() + " " +
           (error.offset() ? number(*error.offset()) : "") + " " + error.message();
  }
  return everything(*checkpoint);
}

}  // namespace torchferry::fuzz
