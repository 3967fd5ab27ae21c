#include "container/zip_archive.h"

#include <torchferry/error.h>

#include <cstdio>
#include <new>
#include <stdexcept>
#include <utility>

#include "base/limit_error.h"
#include "container/crc32.h"
#include "container/inflate.h"
#include "container/zip_directory.h"
#include "container/zip_names.h"

namespace torchferry {
namespace {

std::string hex(std::uint32_t value) {
  char text[11];
  std::snprintf(text, sizeof text, "0x%08x", value);
  return text;
}

}  // namespace

struct ZipArchive::Index {
  std::shared_ptr<const ByteSource> source;
  zip::Directory directory;
  zip::NameTable names;

  std::span<const Record> records() const noexcept { return directory.records; }

  /// Refuses names that are equal, or equal but for case. `directory.records` must be in its last state.
  void index_names() {
    const auto twins = names.build(records(), directory.root.size() + 1);
    if (!twins) return;
    const Record& earlier = records()[twins->earlier];
    const Record& later = records()[twins->later];
    const std::string what = earlier.name == later.name ? "the record is listed twice"
                                                        : "the record's name differs from that of \"" +
                                                              zip::shown(earlier.name) + "\" only in case";
    throw Error(ErrorCode::corrupt, source->name(), zip::shown(later.name), std::nullopt,
                what + "; programs disagree on which of the two is meant");
  }

  Error error(ErrorCode code, const Record& record, std::string message) const {
    return Error(code, source->name(), zip::shown(record.name), std::nullopt, std::move(message));
  }
};

ZipArchive ZipArchive::open(std::shared_ptr<const ByteSource> source, const Limits& limits) {
  try {
    auto index = std::make_shared<Index>();
    index->source = source;
    index->directory = zip::read_directory(*source, limits);
    zip::locate_payloads(*source, index->directory);
    index->index_names();
    if (index->directory.has_folders) {
      std::erase_if(index->directory.records, zip::is_folder);
      if (index->records().empty()) {
        throw Error(ErrorCode::corrupt, source->name(), {}, std::nullopt, "the archive has only folders");
      }
      index->index_names();
    }
    return ZipArchive(std::move(index));
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, source->name(), {}, std::nullopt,
                "there is not enough memory for the archive's directory");
  }
}

std::span<const Record> ZipArchive::records() const noexcept { return index_->records(); }

std::string_view ZipArchive::root() const noexcept { return index_->directory.root; }

std::optional<std::uint32_t> ZipArchive::find(std::string_view name) const noexcept {
  return index_->names.find(index_->records(), name);
}

const ByteSource& ZipArchive::source() const noexcept { return *index_->source; }

const Record& ZipArchive::checked_record(std::uint32_t record) const {
  if (record < index_->records().size()) return index_->records()[record];
  throw Error(ErrorCode::invalid_argument, source().name(), {}, std::nullopt,
              "record number " + std::to_string(record) + " is asked for, and there are " +
                  std::to_string(index_->records().size()));
}

std::vector<std::byte> ZipArchive::read(std::uint32_t record, std::uint64_t max_bytes, const char* limit_name,
                                        bool verify) const {
  const Record& wanted = checked_record(record);
  if (wanted.size > max_bytes) {
    throw index_->error(ErrorCode::limit_exceeded, wanted,
                        over_limit("the record has " + std::to_string(wanted.size) + " bytes", limit_name, max_bytes));
  }
  try {
    std::vector<std::byte> bytes(static_cast<std::size_t>(wanted.size));
    read_into(record, bytes, verify);
    return bytes;
  } catch (const std::bad_alloc&) {
    throw index_->error(
        ErrorCode::out_of_memory, wanted,
        "there is not enough memory for the record's " + std::to_string(wanted.size) + " bytes");
  } catch (const std::length_error&) {
    throw index_->error(
        ErrorCode::out_of_memory, wanted,
        "the record's " + std::to_string(wanted.size) + " bytes are more than memory can hold");
  }
}

void ZipArchive::read_into(std::uint32_t record, std::span<std::byte> out, bool verify) const {
  const Record& wanted = checked_record(record);
  if (out.size() != wanted.size) {
    throw index_->error(ErrorCode::invalid_argument, wanted,
                        "the record has " + std::to_string(wanted.size) + " bytes, and the buffer " +
                            std::to_string(out.size()));
  }
  if (wanted.deflated) {
    try {
      const auto stored =
          zip::Piece::read(source(), wanted.offset, static_cast<std::size_t>(wanted.stored_bytes));
      inflate({stored.bytes.get(), stored.size}, out);
    } catch (const Error& error) {
      throw error.in(source().name(), zip::shown(wanted.name));
    } catch (const std::bad_alloc&) {
      throw index_->error(ErrorCode::out_of_memory, wanted,
                          "there is not enough memory for the record's " +
                              std::to_string(wanted.stored_bytes) + " deflated bytes");
    }
  } else {
    source().read_at(wanted.offset, out);
  }
  if (!verify || wanted.crc32 == 0) return;
  const std::uint32_t computed = crc32(0, out);
  if (computed == wanted.crc32) return;
  throw index_->error(ErrorCode::corrupt, wanted,
                      "the record's CRC-32 is " + hex(computed) + " and should be " + hex(wanted.crc32) +
                          "; the file is damaged: fetch it again");
}

}  // namespace torchferry
