#include "fuzz/value_text.h"

#include <bit>
#include <cstdint>
#include <unordered_map>

namespace torchferry::fuzz {
namespace {

class Writer {
 public:
  std::string take() && { return std::move(text_); }

  void write(const Value& value) {
    const auto [place, is_new] = numbers_.emplace(&value, numbers_.size());
    if (!is_new) {
      text_ += "#" + std::to_string(place->second);
      return;
    }
    text_ += std::to_string(static_cast<int>(value.kind)) + " " + value.class_name + " " + value.text + " " +
             std::to_string(value.integer) + " " + std::to_string(std::bit_cast<std::uint64_t>(value.real)) + " " +
             std::to_string(std::bit_cast<std::uint64_t>(value.imaginary)) + " " + std::to_string(value.tensor);
    for (const std::int64_t size : value.shape) text_ += " " + std::to_string(size);
    list("[", value.items);
    pairs("{", value.entries);
    pairs("<", value.attributes);
    text_ += "\n";
  }

 private:
  void list(const char* open, const std::vector<ValuePtr>& items) {
    text_ += open;
    for (const ValuePtr& item : items) write(*item);
  }

  void pairs(const char* open, const std::vector<std::pair<ValuePtr, ValuePtr>>& entries) {
    text_ += open;
    for (const auto& [key, value] : entries) {
      write(*key);
      text_ += "=";
      write(*value);
    }
  }

  std::string text_;
  std::unordered_map<const Value*, std::size_t> numbers_;
};

}  // namespace

std::string value_text(const Value& value) {
  Writer writer;
  writer.write(value);
  return std::move(writer).take();
}

}  // namespace torchferry::fuzz
