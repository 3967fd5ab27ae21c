#pragma once

#include <torchferry/device.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "io/byte_source.h"
#include "io/temporary_folder.h"

namespace torchferry {

/// A model of a .pt2 package, unpacked. Its library has not been loaded: nothing of it has run.
struct AotiPackage {
  TemporaryFolder folder;                       ///< keep it as long as the library is in use: it reads files there
  std::filesystem::path library;                ///< in the folder
  std::optional<std::filesystem::path> weights; ///< constants in a file of their own
  std::map<std::string, std::string> metadata;
};

/// Unpacks the model that `model` names with every checksum verified, below `parent` (as
/// TemporaryFolder::create says), after finding that this machine can run it on a device of `device`'s type.
/// Throws Error(corrupt, io, unsupported, limit_exceeded), Error(invalid_argument) when there is no such
/// model.
AotiPackage unpack_aoti(const std::shared_ptr<const ByteSource>& source, const std::string& model, const Device& device,
                        const std::filesystem::path& parent);

/// The first of the instruction sets in `listed` ("AVX512 AVX512_VNNI") that this processor lacks; empty when
/// it has all, those that are not known here counted as there.
std::string missing_instructions(const std::string& listed);

}  // namespace torchferry
