// What a dict holds beside tensors: named with the types that Python would print.

#include <gtest/gtest.h>
#include <torchferry/checkpoint.h>

#include "table/pickle_text.h"

namespace torchferry::testing {
namespace {

std::vector<OtherItem> others_of(const Pickle& content, const std::vector<std::string>& path = {}) {
  return open_content(content).other_items(path);
}

TEST(OtherItems, HaveTheirTypesAndPlaces) {
  const auto others = others_of(dict({{str("first"), none()},
                                      {str("w"), tensor({})},
                                      {str("epoch"), num(7)},
                                      {str("rate"), real(0.5)},
                                      {str("many"), list({tensor({}), dict({{str("t"), tensor({})}}), num(1)})},
                                      {str("name"), str("text")},
                                      {str("empty"), dict({})},
                                      {str("ordered"), ordered_dict()},
                                      {str("pair"), tuple({num(1), num(2)})},
                                      {num(5), num(6)}}));
  const std::vector<std::pair<std::string, std::string>> expected{{"first", "<class 'NoneType'>"},
                                                                  {"epoch", "<class 'int'>"},
                                                                  {"rate", "<class 'float'>"},
                                                                  {"name", "<class 'str'>"},
                                                                  {"empty", "<class 'dict'>"},
                                                                  {"ordered", "<class 'collections.OrderedDict'>"},
                                                                  {"pair", "<class 'tuple'>"}};
  ASSERT_EQ(others.size(), expected.size());
  const std::vector<std::size_t> positions{0, 1, 1, 3, 3, 3, 3};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(others[i].key, expected[i].first);
    EXPECT_EQ(others[i].type, expected[i].second);
    EXPECT_EQ(others[i].position, positions[i]) << others[i].key;
  }
}

TEST(OtherItems, BelongToOnePlace) {
  const Pickle model = dict({{str("w"), tensor({})}, {str("n"), num(1)}});
  const Pickle content = dict({{str("model"), model}, {str("epoch"), num(7)}});
  ASSERT_EQ(others_of(content).size(), 1U);
  EXPECT_EQ(others_of(content)[0].key, "epoch");
  ASSERT_EQ(others_of(content, {"model"}).size(), 1U);
  EXPECT_EQ(others_of(content, {"model"})[0].key, "n");
  EXPECT_TRUE(others_of(list({tensor({}), num(1)})).empty());
}

}  // namespace
}  // namespace torchferry::testing
