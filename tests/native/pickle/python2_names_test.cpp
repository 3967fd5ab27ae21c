#include "pickle/python2_names.h"

#include <gtest/gtest.h>

#include "pickle/tree_text.h"
#include "pickle/wire.h"

namespace torchferry::pickle::testing {
namespace {

std::string now(std::string_view module, std::string_view name) {
  const GlobalName found = python3_name({module, name});
  return std::string(found.module) + "." + std::string(found.name);
}

TEST(Python2Names, BuiltinsMoved) {
  EXPECT_EQ(now("__builtin__", "set"), "builtins.set");
  EXPECT_EQ(now("__builtin__", "xrange"), "builtins.range");
  EXPECT_EQ(now("__builtin__", "long"), "builtins.int");
  EXPECT_EQ(now("__builtin__", "unicode"), "builtins.str");
  EXPECT_EQ(now("__builtin__", "basestring"), "builtins.str");
  EXPECT_EQ(now("__builtin__", "unichr"), "builtins.chr");
  EXPECT_EQ(now("__builtin__", "reduce"), "functools.reduce");
  EXPECT_EQ(now("__builtin__", "intern"), "sys.intern");
}

TEST(Python2Names, ModulesMoved) {
  EXPECT_EQ(now("copy_reg", "_reconstructor"), "copyreg._reconstructor");
  EXPECT_EQ(now("exceptions", "ValueError"), "builtins.ValueError");
  EXPECT_EQ(now("Queue", "Queue"), "queue.Queue");
}

TEST(Python2Names, OtherNamesStay) {
  EXPECT_EQ(now("collections", "OrderedDict"), "collections.OrderedDict");
  EXPECT_EQ(now("builtins", "long"), "builtins.long");
  EXPECT_EQ(now("", ""), ".");
}

TEST(Python2Names, AreReadInProtocolsBelowThree) {
  const std::string global = wire("63 '__builtin__' 0a 'long' 0a 2e");
  EXPECT_EQ(text_of(global), "builtins.int");
  EXPECT_EQ(text_of(wire("80 02") + global), "builtins.int");
  EXPECT_EQ(text_of(wire("80 03") + global), "__builtin__.long");
  EXPECT_EQ(text_of(wire("80 04 8c 08 'copy_reg' 8c 01 'x' 93 2e")), "copy_reg.x");
}

TEST(CurrentTorchNames, TensorModuleMovedInEveryProtocol) {
  for (const char* start : {"80 02", "80 04"}) {
    EXPECT_EQ(text_of(wire(start) + wire("63 'torch.tensor' 0a '_rebuild_from_type' 0a 2e")),
              "torch._tensor._rebuild_from_type");
  }
  EXPECT_EQ(text_of(wire("63 'torch' 0a 'tensor' 0a 2e")), "torch.tensor");
}

}  // namespace
}  // namespace torchferry::pickle::testing
