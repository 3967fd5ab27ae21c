#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "pickle/python_values.h"
#include "pickle/refused.h"
#include "pickle/tree_text.h"
#include "pickle/wire.h"

// Broken on purpose: nothing but an Error may come of it. Each input is copied to a block of exactly its
// size, so that AddressSanitizer sees a read past its end.

namespace torchferry::pickle::testing {
namespace {

class Exact {
 public:
  explicit Exact(std::string_view bytes) : size_(bytes.size()), data_(new std::byte[bytes.size()]) {
    std::memcpy(data_.get(), bytes.data(), size_);
  }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> data_;
};

/// Reads all that the tree says; the sum keeps the reads alive.
std::size_t touch(const Tree& tree) {
  std::size_t sum = 0;
  for (NodeId id = 0; id < tree.size(); ++id) {
    for (const char c : tree.text(id)) sum += static_cast<unsigned char>(c);
    for (const NodeId item : tree.items(id)) sum += item;
    for (const NodeId item : tree.pairs(id)) sum += item;
    sum += tree.qualified_name(id).size() + tree.module(id).size() + tree.name(id).size();
    if (const auto bytes = tree.python2_bytes(id)) sum += bytes->size();
    if (tree.kind(id) != Kind::object) continue;
    sum += tree.callable(id) + tree.arguments(id);
    sum += tree.state(id).value_or(0) + tree.keywords(id).value_or(0);
    for (const NodeId item : tree.appended(id)) sum += item;
    for (const NodeId item : tree.assigned(id)) sum += item;
  }
  return sum;
}

enum class Outcome { parsed, corrupt, unsupported, limit_exceeded };

Outcome outcome_of(std::string_view pickle) {
  const Exact input(pickle);
  try {
    const Parsed parsed = parse(input.bytes(), Limits());
    EXPECT_LE(parsed.consumed, pickle.size());
    EXPECT_LT(parsed.tree.root(), parsed.tree.size());
    touch(parsed.tree);
    return Outcome::parsed;
  } catch (const Error& error) {
    EXPECT_TRUE(error.offset() && *error.offset() <= pickle.size()) << error.what();
    switch (error.code()) {
      case ErrorCode::corrupt: return Outcome::corrupt;
      case ErrorCode::unsupported: return Outcome::unsupported;
      case ErrorCode::limit_exceeded: return Outcome::limit_exceeded;
      default: ADD_FAILURE() << error.what(); return Outcome::corrupt;
    }
  }
}

TEST(Hostile, ACheckpointCutAnywhereIsCorrupt) {
  const std::string whole = wire(kCheckpoint);
  ASSERT_EQ(outcome_of(whole), Outcome::parsed);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(outcome_of(std::string_view(whole).substr(0, size)), Outcome::corrupt) << "cut at " << size;
  }
}

TEST(Hostile, EveryPythonValueCutAnywhereIsCorrupt) {
  for (const PythonValue& value : kPythonValues) {
    const std::string whole = wire(value.hex);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_EQ(outcome_of(std::string_view(whole).substr(0, size)), Outcome::corrupt)
          << value.name << " of protocol " << value.protocol << " cut at " << size;
    }
  }
}

TEST(Hostile, ACheckpointWithAnyByteChangedIsReadOrRefused) {
  std::string bytes = wire(kCheckpoint);
  std::size_t parsed = 0;
  std::size_t refused = 0;
  for (char& byte : bytes) {
    const char real = byte;
    for (const int change : {1, 2, 4, 8, 16, 32, 64, 128, 255, 3, 7, 24, 47}) {
      byte = static_cast<char>(real ^ change);
      ++(outcome_of(bytes) == Outcome::parsed ? parsed : refused);
    }
    byte = real;
  }
  EXPECT_GT(parsed, 0u);
  EXPECT_GT(refused, 0u);
}

TEST(Hostile, EveryPythonValueWithAnyBitChangedIsReadOrRefused) {
  std::size_t tried = 0;
  for (const PythonValue& value : kPythonValues) {
    std::string bytes = wire(value.hex);
    for (char& byte : bytes) {
      for (int bit = 0; bit < 8; ++bit) {
        byte = static_cast<char>(byte ^ 1 << bit);
        outcome_of(bytes);
        byte = static_cast<char>(byte ^ 1 << bit);
        ++tried;
      }
    }
  }
  EXPECT_GT(tried, 50'000u);
}

TEST(Hostile, OpcodesInAnyOrder) {
  const std::string opcodes("().012)(}]ehq\0\1\2jtusabRQ\x81\x85\x86\x87\x88\x8f\x90\x91\x92\x94lNK\5", 38);
  std::uint64_t random = 1;
  std::size_t parsed = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string bytes = "cm\nC\n)R]}N";
    for (int length = 0; length < 24; ++length) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      bytes += opcodes[(random >> 33) % opcodes.size()];
    }
    if (outcome_of(bytes + ".") == Outcome::parsed) ++parsed;
  }
  EXPECT_GT(parsed, 100u);
}

TEST(Hostile, LengthsBeyondTheInputAllocateNothing) {
  const char* const pickles[] = {
      "58 ffffffff 'abcde'",         "8d 0000000000000080 'a'",     "8d ffffffffffffffff 'a'",
      "42 ffffffff 'abcde'",         "8e 0000000000000080 'a'",     "8e ffffffffffffffff",
      "96 ffffffffffffff7f 'a'",     "8b ffffff7f 'abcde'",         "54 ffffff7f 'abcde'",
      "8a ff 'abcde'",               "8c ff 'abcde'",               "43 ff 'abcde'",
      "55 ff 'abcde'",               "95 0000000000000080 4e 2e",
  };
  for (const char* written : pickles) expect_corrupt(wire(written), 0, "truncated");
}

TEST(Hostile, NegativeLengthsAreCorrupt) {
  expect_corrupt(wire("8b ffffffff 4e 2e"), 0, "negative length -1");
  expect_corrupt(wire("8b 00000080 4e 2e"), 0, "negative length -2147483648");
  expect_corrupt(wire("54 ffffffff 4e 2e"), 0, "negative length -1");
}

TEST(Hostile, OperandsCutShort) {
  for (const char* written : {"4b", "4d 00", "4a 000000", "47 00000000000000", "58 000000",
                              "8d 00000000000000", "80", "95 00000000000000", "8a", "8b 000000"}) {
    expect_corrupt(wire(written), 0, "truncated");
  }
  for (const char* written : {"4e 71", "4e 72 000000", "4e 68", "4e 6a 000000"}) {
    expect_corrupt(wire(written), 1, "truncated");
  }
}

// Each of these would cost time or memory by the square of its length if what the opcodes share were copied.
TEST(Hostile, SharingIsNotCopying) {
  std::string encode = wire("63 '_codecs' 0a 'encode' 0a 71 00 30 58") + little_endian(200'000, 4);
  for (int i = 0; i < 100'000; ++i) encode += "\xc3\xbf";
  encode += wire("71 01 58 06000000 'latin1' 86 71 02 30");
  for (int i = 0; i < 50'000; ++i) encode += std::string("h\0h\2R0", 6);
  EXPECT_EQ(outcome_of(encode + "N."), Outcome::parsed);

  std::string sets = wire("63 '__builtin__' 0a 'set' 0a 71 00 30");
  sets += "](" + std::string(100'000, 'N') + wire("65 85 71 01 30");
  for (int i = 0; i < 50'000; ++i) sets += std::string("h\0h\1R0", 6);
  EXPECT_EQ(outcome_of(sets + "N."), Outcome::parsed);
}

}  // namespace
}  // namespace torchferry::pickle::testing
