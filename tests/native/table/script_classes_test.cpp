#include "table/script_classes.h"

#include <gtest/gtest.h>

#include "io/error_of.h"
#include "table/pickle_text.h"

// What TorchScript's sources say of a module's attributes: the only thing that tells parameters from buffers there.

namespace torchferry::testing {
namespace {

using Names = std::vector<std::string>;

constexpr const char* kNet =
    "op_version_set = 1\n"
    "class Net(Module):\n"
    "  __parameters__ = [\"weight\", \"bias\", ]\n"
    "  __buffers__ = [\"scale\", ]\n"
    "  weight : Tensor\n"
    "  def forward(self: __torch__.Net,\n"
    "    x: Tensor) -> Tensor:\n"
    "    __parameters__ = [\"not this\", ]\n";

ScriptClasses classes_of(std::string_view source, std::string_view module = "__torch__") {
  ScriptClasses classes;
  add_script_classes(source, module, classes);
  return classes;
}

std::string archive_of(const std::string& source, const Pickle& content) {
  ZipBuilder zip;
  zip.add("r/data.pkl", "\x80\x02" + content + ".");
  zip.add("r/code/__torch__.py", source);
  zip.add("r/code/__torch__/nets.py", "class Inner(Module):\n  __parameters__ = []\n  __buffers__ = [\"b\", ]\n");
  zip.add("r/constants.pkl", "\x80\x02).");
  zip.add("r/data/0", floats(6));
  zip.add("r/version", "3\n");
  return zip.bytes();
}

TEST(ScriptClasses, ReadsTheListsOfEachModuleClass) {
  const ScriptClasses classes = classes_of(kNet);
  ASSERT_EQ(classes.size(), 1u);
  const ScriptClass& net = classes.at("__torch__.Net");
  EXPECT_EQ(net.parameters, (Names{"weight", "bias"}));
  EXPECT_EQ(net.buffers, Names{"scale"});
}

TEST(ScriptClasses, NamesAreQualifiedByTheModule) {
  EXPECT_TRUE(classes_of(kNet, "__torch__.a.___torch_mangle_3").contains("__torch__.a.___torch_mangle_3.Net"));
}

TEST(ScriptClasses, OtherClassesAndBrokenSourceAreNoModules) {
  EXPECT_TRUE(classes_of("class Pair(NamedTuple):\n  __parameters__ = [\"a\", ]\n").empty());
  EXPECT_TRUE(classes_of("").empty());
  EXPECT_TRUE(classes_of("\n\n\nclass").empty());
  EXPECT_TRUE(classes_of("  __parameters__ = [\"a\", ]\n").empty());
  const ScriptClasses open = classes_of("class A(Module):\n  __parameters__ = [\"a\", \"b");
  EXPECT_EQ(open.at("__torch__.A").parameters, Names{"a"});
  const ScriptClasses two = classes_of("class A(Module):\nclass B(Other):\n  __buffers__ = [\"x\", ]\n");
  ASSERT_EQ(two.size(), 1u);
  EXPECT_TRUE(two.at("__torch__.A").buffers.empty());
}

TEST(ScriptClasses, TellParametersFromBuffersInAnArchive) {
  const Pickle inner = with_state(make(global("__torch__.nets", "Inner"), {}), dict({{str("b"), tensor({.size = {1}})}}));
  const Pickle content = with_state(make(global("__torch__", "Net"), {}),
                                    dict({{str("training"), boolean(false)},
                                          {str("scale"), tensor({.size = {2}})},
                                          {str("plain"), tensor({.size = {3}})},
                                          {str("weight"), tensor({})},
                                          {str("inner"), inner}}));
  const Checkpoint checkpoint = open_bytes(archive_of(kNet, content));
  EXPECT_EQ(checkpoint.format(), Format::torchscript);
  EXPECT_EQ(keys_of(checkpoint.entries()), (Names{"weight", "scale", "inner.b"}));
  const auto row = [&](std::size_t entry) { return checkpoint.table().tensors()[checkpoint.entries()[entry].tensor]; };
  EXPECT_TRUE(row(0).parameter && !row(0).buffer);
  EXPECT_TRUE(row(1).buffer && !row(1).parameter);
  EXPECT_TRUE(row(2).buffer);
  EXPECT_TRUE(checkpoint.opaque_globals().empty());
}

TEST(ScriptClasses, SourcesAreBoundedTogether) {
  OpenOptions options;
  options.limits.pickle_bytes = 400;
  expect_error(ErrorCode::limit_exceeded, "pickle_bytes", [&] {
    open_bytes(archive_of(kNet + std::string(300, '\n'), with_state(make(global("__torch__", "Net"), {}), dict({}))),
               options);
  });
}

}  // namespace
}  // namespace torchferry::testing
