#include "torch/aoti_package.h"

#include <sys/utsname.h>
#include <torchferry/error.h>
#include <torchferry/limits.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "container/json_reader.h"
#include "container/zip_archive.h"

namespace torchferry {
namespace {

constexpr std::string_view kModels = "data/aotinductor/";
constexpr std::string_view kConstants = "data/constants/";

/// Whether a name can only be of a file below the folder that it is relative to.
bool is_plain(std::string_view name) {
  while (!name.empty()) {
    const std::string_view part = name.substr(0, name.find('/'));
    if (part.empty() || part == "." || part == ".." || part.find('\0') != part.npos) return false;
    if (part.size() == name.size()) return true;
    name.remove_prefix(part.size() + 1);
  }
  return false;
}

/// Reads the archive of one package. Records are named by what follows the archive's root folder.
class Unpacking {
 public:
  Unpacking(ZipArchive archive, const std::string& model, const Device& device)
      : archive_(std::move(archive)), model_(model), device_(device), folder_(std::string(kModels) + model + "/") {
    for (std::uint32_t i = 0; i < archive_.records().size(); ++i) choose(i);
  }

  AotiPackage run(const std::filesystem::path& parent) {
    if (!found_) throw no_such_model();
    const std::string library = library_name();
    const auto metadata = read_metadata(library.substr(0, library.rfind('.')) + "_metadata.json");
    require_runnable(metadata);
    AotiPackage package{TemporaryFolder::create(parent), {}, {}, metadata};
    require_executable(package.folder.path());
    for (const auto& [name, record] : files_) {
      package.folder.write(name, archive_.read(record, limits_.inflated_bytes, "inflated_bytes", true));
      if (name.ends_with(".blob")) package.weights = package.folder.path() / name;
    }
    package.library = package.folder.path() / library;
    return package;
  }

 private:
  std::string_view name_of(std::uint32_t record) const {
    return archive_.records()[record].name.substr(archive_.root().size() + 1);
  }

  /// Constants of the exported program lie beside the models; the library looks for them in its own folder.
  void choose(std::uint32_t record) {
    const std::string_view name = name_of(record);
    if (name.starts_with(folder_)) {
      found_ = true;
      add(std::string(name.substr(folder_.size())), record);
    } else if (name.starts_with(kConstants)) {
      add(std::string(name.substr(name.rfind('/') + 1)), record);
    } else if (name.starts_with(kModels)) {
      models_.emplace(name.substr(kModels.size(), name.find('/', kModels.size()) - kModels.size()));
    }
  }

  void add(std::string name, std::uint32_t record) {
    if (!is_plain(name)) throw error(ErrorCode::corrupt, record, "the name leads out of the package's folder");
    if (name.ends_with(".cpp") || name.ends_with(".o")) return;  // what the library was made from
    if (!files_.emplace(std::move(name), record).second) {
      throw error(ErrorCode::corrupt, record, "the package has two files of this name");
    }
  }

  Error error(ErrorCode code, std::uint32_t record, const std::string& message) const {
    return Error(code, archive_.source().name(), std::string(archive_.records()[record].name), std::nullopt, message);
  }
  Error error(ErrorCode code, const std::string& message) const {
    return Error(code, archive_.source().name(), {}, std::nullopt, message);
  }

  Error no_such_model() const {
    if (!models_.empty()) {
      std::string known;
      for (const std::string& one : models_) known += (known.empty() ? "" : ", ") + one;
      return error(ErrorCode::invalid_argument, "the package has no model '" + model_ + "'; it has: " + known);
    }
    const bool exported = std::ranges::any_of(archive_.records(), [&](const Record& record) {
      return record.name.substr(archive_.root().size() + 1).starts_with("models/");
    });
    if (exported || archive_.find("serialized_exported_program.json")) {
      return error(ErrorCode::unsupported,
                   "an exported program (torch.export.save), which only Python can run; compile it with "
                   "torch._inductor.aoti_compile_and_package");
    }
    return error(ErrorCode::corrupt, "not a package of AOTInductor (.pt2): it has no folder " + std::string(kModels));
  }

  Error without_library() const {
    return error(ErrorCode::unsupported,
                 "the package has the model's source code and no library; make it with "
                 "aot_inductor.package_cpp_only=False");
  }

  std::string library_name() const {
    std::vector<std::string> libraries;
    for (const auto& [name, record] : files_) {
      if (name.ends_with(".so")) libraries.push_back(name);
    }
    if (libraries.size() > 1) std::erase_if(libraries, [](const auto& name) { return !name.ends_with(".wrapper.so"); });
    if (libraries.size() == 1) return libraries.front();
    if (!libraries.empty()) throw error(ErrorCode::corrupt, "the model has several libraries");
    throw without_library();
  }

  std::map<std::string, std::string> read_metadata(const std::string& name) const {
    const auto found = files_.find(name);
    if (found == files_.end()) throw error(ErrorCode::corrupt, "the model lacks its description, " + name);
    const auto bytes = archive_.read(found->second, limits_.directory_bytes, "directory_bytes", true);
    std::map<std::string, std::string> metadata;
    try {
      JsonReader json({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      json.enter_object();
      for (std::string key; json.next_key(key);) metadata.insert_or_assign(key, json.string());
      json.finish();
    } catch (const Error& failure) {
      throw failure.in(archive_.source().name(), std::string(archive_.records()[found->second].name));
    }
    return metadata;
  }

  void require_runnable(const std::map<std::string, std::string>& metadata) const {
    const auto value = [&](const char* key) {
      const auto found = metadata.find(key);
      return found == metadata.end() ? std::string() : found->second;
    };
    const std::string compiled = value("AOTI_DEVICE_KEY");
    if (compiled != device_.type) {
      throw error(ErrorCode::unsupported, "compiled for " + compiled + ", and cannot run on " + device_.str() +
                                              ": load it on a device of that type, or compile it for this one");
    }
    struct utsname machine {};
    ::uname(&machine);
    const std::string platform = value("AOTI_PLATFORM") + " " + value("AOTI_MACHINE");
    if (platform != std::string("linux ") + machine.machine && platform != " ") {
      throw error(ErrorCode::unsupported, "compiled for " + platform + ", and this is linux " + machine.machine);
    }
    const std::string lacking = device_.is_cpu() ? missing_instructions(value("AOTI_CPU_ISA")) : std::string();
    if (!lacking.empty()) {
      throw error(ErrorCode::unsupported, "compiled for processors with " + lacking +
                                              ", which this one lacks; compile it on this machine, or with another "
                                              "cpp.simdlen");
    }
  }

  const ZipArchive archive_;
  const Limits limits_{};
  const std::string& model_;
  const Device& device_;
  const std::string folder_;
  std::map<std::string, std::uint32_t> files_;  ///< of the model: name in its folder, record
  std::set<std::string> models_;                ///< others
  bool found_ = false;          ///< the model
};

bool has_instructions(const std::string& set) {
#if defined(__x86_64__)
  if (set == "AVX2") return __builtin_cpu_supports("avx2");
  if (set == "AVX512") return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (set == "AVX512_VNNI") return __builtin_cpu_supports("avx512vnni");
#endif
  return !set.empty();
}

}  // namespace

std::string missing_instructions(const std::string& listed) {
  std::istringstream sets(listed);
  for (std::string set; sets >> set;) {
    if (!has_instructions(set)) return set;
  }
  return {};
}

AotiPackage unpack_aoti(const std::shared_ptr<const ByteSource>& source, const std::string& model, const Device& device,
                        const std::filesystem::path& parent) {
  return Unpacking(ZipArchive::open(source, Limits{}), model, device).run(parent);
}

}  // namespace torchferry
