#include <gtest/gtest.h>

#include <chrono>

#include "io/error_of.h"
#include "table/pickle_text.h"

// Where a checkpoint's state dicts are, and what a wrong path is told.

namespace torchferry::testing {
namespace {

using Place = std::pair<std::vector<std::string>, std::size_t>;

std::vector<Place> places_of(const Pickle& content) {
  std::vector<Place> places;
  const Checkpoint checkpoint = open_content(content);
  for (const StateDictPlace& place : checkpoint.state_dict_places()) places.emplace_back(place.path, place.tensors);
  return places;
}

Pickle weights(std::size_t count) {
  std::vector<std::pair<Pickle, Pickle>> items;
  for (std::size_t i = 0; i < count; ++i) items.emplace_back(str("w" + std::to_string(i)), tensor({}));
  return ordered_dict(items);
}

Pickle adam() {
  return dict({{str("state"), dict({{num(0), dict({{str("step"), tensor({})}, {str("exp_avg"), tensor({})}})}})},
               {str("param_groups"), list({dict({{str("lr"), real(0.1)}})})}});
}

TEST(PlacesTest, TrainingCheckpointsHaveTheirModels) {
  const Pickle content = dict({{str("epoch"), num(3)},
                               {str("model"), weights(3)},
                               {str("optimizer"), adam()},
                               {str("ema"), dict({{str("decay"), real(0.9)}, {str("shadow"), weights(2)}})},
                               {str("loss"), tensor({})}});
  EXPECT_EQ(places_of(content), (std::vector<Place>{{{"model"}, 3}, {{"ema", "shadow"}, 2}}));
}

TEST(PlacesTest, TheWholeContentMayBeOne) {
  EXPECT_EQ(places_of(weights(4)), (std::vector<Place>{{{}, 4}}));
  EXPECT_EQ(places_of(dict({{str("w"), tensor({})}, {str("b"), tensor({})}, {str("n"), num(1)}})),
            (std::vector<Place>{{{}, 2}}));
}

TEST(PlacesTest, ListsAndModulesAreEntered) {
  const Pickle module =
      with_state(make(global("my.net", "Net"), {}), dict({{str("_parameters"), dict({{str("w"), tensor({})}})},
                                                           {str("_buffers"), dict({{str("b"), tensor({})}})},
                                                           {str("_modules"), dict({})}}));
  EXPECT_EQ(places_of(list({weights(1), dict({{str("net"), module}})})),
            (std::vector<Place>{{{"0"}, 1}, {{"1", "net"}, 2}}));
}

TEST(PlacesTest, OtherTensorsAreNone) {
  EXPECT_EQ(places_of(tensor({})), (std::vector<Place>{}));
  EXPECT_EQ(places_of(list({tensor({}), tensor({})})), (std::vector<Place>{}));
  EXPECT_EQ(places_of(dict({{num(0), tensor({})}})), (std::vector<Place>{}));
  EXPECT_EQ(places_of(dict({{str("optimizer"), adam()}, {str("epoch"), num(1)}})), (std::vector<Place>{}));
}

TEST(PlacesTest, AContainerListedManyTimesOverIsReadOnce) {
  std::vector<std::pair<Pickle, Pickle>> numbers;
  for (int i = 0; i < 200'000; ++i) numbers.emplace_back(num(i), none());
  std::vector<Pickle> items(90'000, get(0));
  items[0] = put(dict(numbers), 0);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(places_of(list(items)), (std::vector<Place>{}));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  Pickle content = put(dict({{str("n"), num(1)}}), 0);
  for (unsigned level = 1; level <= 6; ++level) {
    std::vector<Pickle> references(40, get(level - 1));
    references[0] = content;
    content = put(list(references), level);
  }
  EXPECT_EQ(places_of(content), (std::vector<Place>{}));
}

TEST(PlacesTest, AModelUnderManyNamesIsListedUpToALimit) {
  std::vector<std::pair<Pickle, Pickle>> names{{str("m0"), put(weights(2), 7)}};
  for (int i = 1; i < 100; ++i) names.emplace_back(str("m" + std::to_string(i)), get(7));
  const std::vector<Place> places = places_of(dict(names));
  ASSERT_EQ(places.size(), 64u);
  EXPECT_EQ(places[63], (Place{{"m63"}, 2}));
}

TEST(PlacesTest, AWrongPathIsToldWhereTensorsAre) {
  const Checkpoint checkpoint = open_content(
      dict({{str("epoch"), num(3)}, {str("model"), weights(3)}, {str("ema"), dict({{str("shadow"), weights(2)}})}}));
  const std::vector<std::string> typo{"modle"};
  expect_error(ErrorCode::invalid_argument,
               "no 'modle' at the top of the content; there is: 'epoch', 'model', 'ema'; tensors are under 'model' (3), "
               "'ema.shadow' (2)",
               [&] { checkpoint.entries(typo); });
  const std::vector<std::string> deeper{"ema", "model"};
  expect_error(ErrorCode::invalid_argument, "no 'model' in 'ema'; there is: 'shadow'; tensors are under",
               [&] { checkpoint.value(deeper); });
  const std::vector<std::string> model{"model"};
  expect_error(ErrorCode::invalid_argument, "; tensors are at the top (2)", [&] { open_content(weights(2)).entries(model); });
  expect_error(ErrorCode::invalid_argument, "there is: 'a'", [&] { open_content(dict({{str("a"), num(1)}})).entries(model); });
}

}  // namespace
}  // namespace torchferry::testing
