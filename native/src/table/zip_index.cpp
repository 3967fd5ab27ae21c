#include <torchferry/error.h>

#include <algorithm>
#include <cstring>

#include "container/other_archives.h"
#include "pickle/machine.h"
#include "table/archive_version.h"
#include "table/content_index.h"
#include "table/rebuild.h"

namespace torchferry {
namespace {

constexpr const char* kPickle = "data.pkl";
constexpr const char* kExportedProgram =
    "a torch.export archive (pt2): it holds a program, not a checkpoint; in Python, torch.export.load it and torch.save "
    "its state_dict";
constexpr const char* kCompiledPackage =
    "a package compiled by AOTInductor (pt2): it holds a compiled program, not a checkpoint; open the checkpoint that "
    "the model was compiled with";
constexpr int kOldestVersion = 1;
constexpr int kNewestVersion = 10;

/// A record "data/KEY" for each storage.
class ZipStorages : public StorageDirectory {
 public:
  explicit ZipStorages(const ZipArchive& archive) : archive_(archive), key_start_(archive.root().size() + 6) {}

  std::size_t slots() const override { return archive_.records().size(); }

  std::optional<Payload> find(std::string_view key) const override {
    const auto index = follows_last(key) ? std::optional(next_) : look_up(key);
    if (!index) return std::nullopt;
    next_ = *index + 1;
    const Record& record = archive_.records()[*index];
    return Payload{*index,      *index,       record.offset,   record.stored_bytes,
                   record.size, record.crc32, record.deflated, record.name.substr(key_start_)};
  }

 private:
  /// Writers store payloads in the order in which the pickle names them, so the next record is mostly the one.
  bool follows_last(std::string_view key) const {
    if (next_ >= archive_.records().size()) return false;
    const std::string_view name = archive_.records()[next_].name;
    return name.size() == key_start_ + key.size() && name.substr(key_start_) == key &&
           name.substr(key_start_ - 5, 5) == "data/";
  }

  std::optional<std::uint32_t> look_up(std::string_view key) const {
    constexpr std::string_view folder = "data/";
    char short_name[64];
    std::string long_name;
    char* name = short_name;
    const std::size_t size = folder.size() + key.size();
    if (size > sizeof short_name) {
      long_name.resize(size);
      name = long_name.data();
    }
    std::memcpy(name, folder.data(), folder.size());
    if (!key.empty()) std::memcpy(name + folder.size(), key.data(), key.size());
    return archive_.find({name, size});
  }

  const ZipArchive& archive_;
  const std::size_t key_start_;
  mutable std::uint32_t next_ = 0;  // only the one thread that reads the index asks
};

[[noreturn]] void unsupported(const char* message) { throw Error(ErrorCode::unsupported, message); }

bool is_big_endian(const ZipArchive& archive) {
  const auto record = archive.find("byteorder");
  if (!record) return false;
  const std::string text = small_text(archive, *record);
  if (text == "little") return false;
  if (text == "big") return true;
  throw Error(ErrorCode::corrupt, {}, std::string(archive.records()[*record].name), 0,
              "Unknown endianness type: " + text);
}

/// An archive whose records are named after no format that is read.
[[noreturn]] void refuse_other_zip(const ZipArchive& archive) {
  for (const Record& record : archive.records()) {
    if (const char* const what = other_archive_with(record.name)) unsupported(what);
  }
  throw Error(ErrorCode::corrupt, "a zip archive without '" + std::string(archive.root()) +
                                      "/data.pkl': not a PyTorch checkpoint");
}

/// torch.export's archives: a program, or the compiled library of one.
[[noreturn]] void refuse_pt2(const ZipArchive& archive) {
  const std::string_view compiled = "/data/aotinductor/";
  const auto records = archive.records();
  const bool is_package = std::any_of(records.begin(), records.end(), [&](const Record& record) {
    return record.name.find(compiled) != std::string_view::npos;
  });
  unsupported(is_package ? kCompiledPackage : kExportedProgram);
}

/// torch.load's dispatch by record names; what is no checkpoint is refused by its name.
Format zip_format(const ZipArchive& archive) {
  if (archive.find("constants.pkl")) {
    if (!archive.find(kPickle)) unsupported("a TorchScript archive without data.pkl");
    return Format::torchscript;
  }
  if (archive.find("model.json")) {
    unsupported("a TorchScript archive of PyTorch 1.3 or older (model.json); save it again with a newer PyTorch");
  }
  if (archive.find(".data/extern_modules") || archive.find(".data/python_version")) {
    unsupported("a torch.package archive: it holds Python code, not a checkpoint; in Python, load it with "
                "torch.package.PackageImporter and torch.save its state_dict()");
  }
  if (archive.find("archive_format")) refuse_pt2(archive);
  if (!archive.find(kPickle)) refuse_other_zip(archive);
  return Format::zip;
}

}  // namespace

void read_zip_index(Checkpoint::State& state) {
  state.archive = ZipArchive::open(state.source, state.options.limits);
  const ZipArchive& archive = *state.archive;
  state.format = zip_format(archive);
  require_version(archive, kOldestVersion, kNewestVersion);
  const bool big_endian = state.format == Format::zip && is_big_endian(archive);
  const Limits& limits = state.options.limits;
  const std::uint32_t pickle = *archive.find(kPickle);
  state.pickle_record = archive.records()[pickle].name;
  state.pickle = archive.read(pickle, limits.pickle_bytes, "pickle_bytes", state.options.verify_checksums);

  state.tree = pickle::parse(state.pickle, limits).tree;
  if (state.format == Format::torchscript) state.script_classes = read_script_classes(archive, limits);
  read_content(state, ZipStorages(archive), archive.records().size(), big_endian);
}

}  // namespace torchferry
