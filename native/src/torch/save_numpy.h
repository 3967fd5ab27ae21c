#pragma once

#include <torchferry/content.h>

#include <map>
#include <string>

#include "pickle/writer.h"

namespace torchferry {

/// Writes numpy's scalars and arrays as numpy 2 pickles them, which numpy 1.26 reads too.
class NumpyPickle {
 public:
  explicit NumpyPickle(pickle::Writer& out) : out_(out) {}

  /// A node of the kind `array`. Throws Error(invalid_argument) when its type is not one of numpy's plain
  /// ones, or its bytes are not as many as its shape needs.
  pickle::Memo write(const Content::Node& array);

 private:
  void write_type(const std::string& type);

  pickle::Writer& out_;
  std::map<std::string, pickle::Memo> types_;
};

}  // namespace torchferry
