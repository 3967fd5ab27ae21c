#include "table/json_value.h"

#include <torchferry/error.h>

#include <algorithm>
#include <charconv>

#include "base/limit_error.h"
#include "table/value_content.h"

namespace torchferry {
namespace {

using Kind = Value::Kind;

/// What sits beside an index's tensors is small; a value takes a hundred times the bytes of its text.
constexpr std::uint64_t kMostValues = 1'000'000;

class ValuesOfJson {
 public:
  ValuesOfJson(JsonReader& json, const Limits& limits)
      : json_(json), most_(std::min(limits.pickle_nodes, kMostValues)) {}

  ValuePtr read() {
    if (++made_ > most_) {
      throw Error(ErrorCode::limit_exceeded, {}, {}, json_.offset(),
                  most_ < kMostValues ? over_limit("the metadata has too many values", "pickle_nodes", most_)
                                      : "the metadata has more than a million values");
    }
    switch (json_.next()) {
      case '{': return object();
      case '[': return array();
      case '"': return string_value(json_.string());
      case 't':
      case 'f': {
        auto value = value_of_kind(Kind::boolean);
        value->integer = json_.boolean() ? 1 : 0;
        return value;
      }
      case 'n': json_.null(); return value_of_kind(Kind::none);
      default: return number();
    }
  }

 private:
  ValuePtr object() {
    auto value = value_of_kind(Kind::dict);
    std::string key;
    json_.enter_object();
    while (json_.next_key(key)) {
      ValuePtr name = string_value(key);
      value->entries.emplace_back(std::move(name), read());
    }
    return value;
  }

  ValuePtr array() {
    auto value = value_of_kind(Kind::list);
    json_.enter_array();
    while (json_.next_element()) value->items.push_back(read());
    return value;
  }

  ValuePtr number() {
    const std::string_view text = json_.number();
    const char* const end = text.data() + text.size();
    if (text.find_first_of(".eE") != std::string_view::npos) {
      auto value = value_of_kind(Kind::real);
      if (std::from_chars(text.data(), end, value->real).ec != std::errc{}) json_.fail("a number beyond a double");
      return value;
    }
    auto value = value_of_kind(Kind::integer);
    if (std::from_chars(text.data(), end, value->integer).ec == std::errc{}) return value;
    value->kind = Kind::big_int;
    value->integer = 0;
    value->text = text;
    return value;
  }

  JsonReader& json_;
  const std::uint64_t most_;
  std::uint64_t made_ = 0;
};

}  // namespace

ValuePtr read_json_value(JsonReader& json, const Limits& limits) { return ValuesOfJson(json, limits).read(); }

}  // namespace torchferry
