#include <gtest/gtest.h>

#include "pickle/tree_text.h"
#include "pickle/wire.h"

// data.pkl of torch.save({'a': torch.arange(3.)}, file), opcode by opcode.

namespace torchferry::pickle::testing {
namespace {

const char* const kGolden = R"(
  80 02
  7d 71 00
  58 01000000 'a' 71 01
  63 'torch._utils' 0a '_rebuild_tensor_v2' 0a 71 02
  28
  28
  58 07000000 'storage' 71 03
  63 'torch' 0a 'FloatStorage' 0a 71 04
  58 01000000 '0' 71 05
  58 03000000 'cpu' 71 06
  4b 03
  74 71 07 51
  4b 00
  4b 03 85 71 08
  4b 01 85 71 09
  89
  63 'collections' 0a 'OrderedDict' 0a 71 0a 29 52 71 0b
  74 71 0c 52 71 0d
  73 2e
)";

class Golden : public ::testing::Test {
 protected:
  const std::string bytes_ = wire(kGolden);
  const Parsed parsed_ = parse_text(bytes_);
  const Tree& tree_ = parsed_.tree;
};

TEST_F(Golden, ReadsToTheLastByte) {
  EXPECT_EQ(bytes_.size(), 162u);
  EXPECT_EQ(parsed_.consumed, 162u);
}

TEST_F(Golden, ReadsLikePython) {
  EXPECT_EQ(text_of(tree_),
            "{'a': torch._utils._rebuild_tensor_v2(persistent(('storage', torch.FloatStorage, '0', 'cpu', 3)), "
            "0, (3,), (1,), False, collections.OrderedDict())}");
}

TEST_F(Golden, EveryNodeHasItsKindItsOffsetAndItsParts) {
  const NodeId root = tree_.root();
  ASSERT_EQ(tree_.kind(root), Kind::dict);
  EXPECT_EQ(tree_.offset(root), 2u);
  ASSERT_EQ(tree_.pairs(root).size(), 2u);

  const NodeId key = tree_.pairs(root)[0];
  EXPECT_EQ(tree_.kind(key), Kind::string);
  EXPECT_EQ(tree_.text(key), "a");
  EXPECT_EQ(tree_.offset(key), 5u);

  const NodeId tensor = tree_.pairs(root)[1];
  ASSERT_EQ(tree_.kind(tensor), Kind::object);
  EXPECT_EQ(tree_.construction(tensor), Construction::reduce);
  EXPECT_EQ(tree_.offset(tensor), 157u);
  EXPECT_FALSE(tree_.state(tensor));
  EXPECT_FALSE(tree_.keywords(tensor));
  EXPECT_TRUE(tree_.appended(tensor).empty());
  EXPECT_TRUE(tree_.assigned(tensor).empty());

  const NodeId rebuild = tree_.callable(tensor);
  EXPECT_EQ(tree_.kind(rebuild), Kind::global);
  EXPECT_EQ(tree_.module(rebuild), "torch._utils");
  EXPECT_EQ(tree_.name(rebuild), "_rebuild_tensor_v2");
  EXPECT_EQ(tree_.qualified_name(rebuild), "torch._utils._rebuild_tensor_v2");
  EXPECT_EQ(tree_.offset(rebuild), 13u);

  const auto arguments = tree_.items(tree_.arguments(tensor));
  ASSERT_EQ(arguments.size(), 6u);
  EXPECT_EQ(tree_.kind(arguments[0]), Kind::persistent);
  EXPECT_EQ(tree_.integer(arguments[1]), 0);
  EXPECT_EQ(text_of(tree_, arguments[2]), "(3,)");
  EXPECT_EQ(text_of(tree_, arguments[3]), "(1,)");
  EXPECT_EQ(tree_.kind(arguments[4]), Kind::boolean);
  EXPECT_FALSE(tree_.boolean(arguments[4]));
  EXPECT_EQ(tree_.qualified_name(tree_.callable(arguments[5])), "collections.OrderedDict");

  ASSERT_EQ(tree_.items(arguments[0]).size(), 1u);
  const NodeId id = tree_.items(arguments[0])[0];
  ASSERT_EQ(tree_.kind(id), Kind::tuple);
  ASSERT_EQ(tree_.items(id).size(), 5u);
  EXPECT_EQ(tree_.text(tree_.items(id)[0]), "storage");
  EXPECT_EQ(tree_.qualified_name(tree_.items(id)[1]), "torch.FloatStorage");
  EXPECT_EQ(tree_.integer(tree_.items(id)[4]), 3);
}

TEST_F(Golden, CountsEachValueOnce) {
  // Five texts, three names, 3 (twice one node), 0, 1, False, the empty tuple, and nine that hold others.
  EXPECT_EQ(tree_.size(), 20u);
}

TEST_F(Golden, AccessorsOfAnotherKindAreEmpty) {
  const NodeId root = tree_.root();
  EXPECT_TRUE(tree_.items(root).empty());
  EXPECT_TRUE(tree_.text(root).empty());
  EXPECT_TRUE(tree_.qualified_name(root).empty());
  EXPECT_TRUE(tree_.module(root).empty());
  EXPECT_TRUE(tree_.name(root).empty());
  EXPECT_FALSE(tree_.state(root));
  EXPECT_FALSE(tree_.python2_bytes(root));
  const NodeId key = tree_.pairs(root)[0];
  EXPECT_TRUE(tree_.pairs(key).empty());
  EXPECT_TRUE(tree_.items(key).empty());
  EXPECT_TRUE(tree_.appended(key).empty());
}

TEST_F(Golden, AMovedTreeKeepsItsValues) {
  Parsed first = parse_text(bytes_);
  const std::string before = text_of(first.tree);
  const Tree moved = std::move(first.tree);
  EXPECT_EQ(text_of(moved), before);
}

}  // namespace
}  // namespace torchferry::pickle::testing
