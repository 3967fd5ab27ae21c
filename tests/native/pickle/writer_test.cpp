#include "pickle/writer.h"

#include <gtest/gtest.h>
#include <torchferry/error.h>

#include <array>
#include <limits>
#include <string>

#include "io/error_of.h"
#include "pickle/tree_text.h"
#include "pickle/wire.h"

namespace torchferry::pickle {
namespace {

using namespace std::string_literals;
using testing::text_of;
using testing::wire;
using torchferry::testing::expect_error;

template <class Write>
std::string pickled(const Write& write) {
  Writer out;
  write(out);
  return std::move(out).finish();
}

std::string pickled_integer(std::int64_t value) {
  return pickled([&](Writer& out) { out.integer(value); });
}

TEST(PickleWriter, WritesThePyTorchExample) {
  const std::string pickle = pickled([](Writer& out) {
    out.empty_dict();
    out.set_items(1, [&](std::size_t) {
      out.text("a");
      out.call("torch._utils", "_rebuild_tensor_v2", 6, [&] {
        out.persistent(5, [&] {
          out.text("storage");
          out.global("torch", "FloatStorage");
          out.text("0");
          out.text("cpu");
          out.integer(3);
        });
        out.integer(0);
        out.tuple(std::array<std::int64_t, 1>{3});
        out.tuple(std::array<std::int64_t, 1>{1});
        out.boolean(false);
        out.call("collections", "OrderedDict", 0, [] {});
      });
    });
  });
  EXPECT_EQ(pickle,
            wire("80 02 7d 7100 58 01000000 'a' 7101 63 'torch._utils' 0a '_rebuild_tensor_v2' 0a 7102 28 28"
                 "58 07000000 'storage' 7103 63 'torch' 0a 'FloatStorage' 0a 7104 58 01000000 '0' 7105"
                 "58 03000000 'cpu' 7106 4b03 74 7107 51 4b00 4b03 85 7108 4b01 85 7109 89"
                 "63 'collections' 0a 'OrderedDict' 0a 710a 29 52 710b 74 710c 52 710d 73 2e"));
}

TEST(PickleWriter, IntegersTakeTheShortestFormThatLibtorchReads) {
  EXPECT_EQ(pickled_integer(0), wire("8002 4b00 2e"));
  EXPECT_EQ(pickled_integer(255), wire("8002 4bff 2e"));
  EXPECT_EQ(pickled_integer(256), wire("8002 4d0001 2e"));
  EXPECT_EQ(pickled_integer(65'535), wire("8002 4dffff 2e"));
  EXPECT_EQ(pickled_integer(65'536), wire("8002 4a00000100 2e"));
  EXPECT_EQ(pickled_integer(-1), wire("8002 4affffffff 2e"));
  EXPECT_EQ(pickled_integer(std::numeric_limits<std::int32_t>::max()), wire("8002 4affffff7f 2e"));
  EXPECT_EQ(pickled_integer(std::numeric_limits<std::int32_t>::min()), wire("8002 4a00000080 2e"));
  EXPECT_EQ(pickled_integer(std::int64_t{1} << 31), wire("8002 8a08 0000008000000000 2e"));
  EXPECT_EQ(pickled_integer(-(std::int64_t{1} << 31) - 1), wire("8002 8a08 ffffff7fffffffff 2e"));
  EXPECT_EQ(pickled_integer(std::numeric_limits<std::int64_t>::min()), wire("8002 8a08 0000000000000080 2e"));
  for (const std::int64_t value : {std::int64_t{1} << 40, -(std::int64_t{1} << 40)}) {
    EXPECT_EQ(text_of(pickled_integer(value)), std::to_string(value));
  }
}

TEST(PickleWriter, IntegersOfAnySizeAreThoseOfPython) {
  const auto pickled_decimal = [](std::string_view decimal) {
    return pickled([&](Writer& out) { out.big_integer(decimal); });
  };
  EXPECT_EQ(pickled_decimal("9223372036854775808"), wire("8002 8a09 000000000000008000 2e"));  // 2^63
  EXPECT_EQ(pickled_decimal("-9223372036854775809"), wire("8002 8a09 ffffffffffffff7fff 2e"));
  EXPECT_EQ(pickled_decimal("1180591620717411303424"), wire("8002 8a09 000000000000000040 2e"));  // 2^70
  EXPECT_EQ(pickled_decimal("0"), wire("8002 8a00 2e"));
  EXPECT_EQ(pickled_decimal("-128"), wire("8002 8a01 80 2e"));
  EXPECT_EQ(pickled_decimal("-129"), wire("8002 8a02 7fff 2e"));
  const std::string long_one = "-1" + std::string(1'000, '7');
  EXPECT_EQ(pickled_decimal(long_one)[2], '\x8B');
  EXPECT_EQ(text_of(pickled_decimal("123456789012345678901234567890")), "int:d20a3f4eeee073c3f60fe98e01");
  EXPECT_EQ(text_of(pickled_decimal("-99999999999999999999")), "int:0100f09cd2a13894fa");
  for (const char* const wrong : {"", "-", "12a", "1.5", "+3"}) {
    expect_error(ErrorCode::invalid_argument, "is not an integer", [&] { pickled_decimal(wrong); });
  }
}

TEST(PickleWriter, PlainValues) {
  EXPECT_EQ(pickled([](Writer& out) { out.none(); }), wire("8002 4e 2e"));
  EXPECT_EQ(pickled([](Writer& out) { out.boolean(true); }), wire("8002 88 2e"));
  EXPECT_EQ(pickled([](Writer& out) { out.real(-2.5); }), wire("8002 47 c004000000000000 2e"));
  EXPECT_EQ(pickled([](Writer& out) { out.tuple(0, [] {}); }), wire("8002 29 2e"));
  EXPECT_EQ(pickled([](Writer& out) { out.text("h\xC3\xA9"); }), wire("8002 58 03000000 'h' c3a9 7100 2e"));
  // pickle.dumps(b'\x00\xff', 2)
  EXPECT_EQ(
      pickled([](Writer& out) { out.bytes("\x00\xFF"s); }),
      wire(
          "8002 63 '_codecs' 0a 'encode' 0a 7100 58 03000000 00 c3bf 7101"
          "58 06000000 'latin1' 7102 86 7103 52 7104 2e"));
}

TEST(PickleWriter, TuplesOfEveryLength) {
  const auto tuple = [](std::size_t count) {
    return pickled([count](Writer& out) {
      out.tuple(count, [&] {
        for (std::size_t i = 0; i < count; ++i) out.boolean(true);
      });
    });
  };
  EXPECT_EQ(tuple(1), wire("8002 88 85 7100 2e"));
  EXPECT_EQ(tuple(2), wire("8002 8888 86 7100 2e"));
  EXPECT_EQ(tuple(3), wire("8002 888888 87 7100 2e"));
  EXPECT_EQ(tuple(4), wire("8002 28 88888888 74 7100 2e"));
}

TEST(PickleWriter, EqualWordsAndGlobalsAreOneObject) {
  const std::string pickle = pickled([](Writer& out) {
    out.tuple(4, [&] {
      out.word("torch");
      out.global("torch", "float32");
      out.word("torch");
      out.global("torch", "float32");
    });
  });
  EXPECT_EQ(pickle,
            wire("8002 28 58 05000000 'torch' 7100 63 'torch' 0a 'float32' 0a 7101 6800 6801 74 7102 2e"));
  EXPECT_EQ(pickled([](Writer& out) {
              out.tuple(2, [&] {
                out.text("t");
                out.text("t");
              });
            }),
            wire("8002 58 01000000 't' 7100 58 01000000 't' 7101 86 7102 2e"));
  // A word that reads like a global is not taken for it.
  EXPECT_EQ(pickled([](Writer& out) {
              out.tuple(2, [&] {
                out.global("torch", "float32");
                out.word("torch\nfloat32\n");
              });
            }),
            wire("8002 63 'torch' 0a 'float32' 0a 7100 58 0e000000 'torch' 0a 'float32' 0a 7101 86 7102 2e"));
}

TEST(PickleWriter, MemosBeyondAByteTakeFour) {
  const std::string pickle = pickled([](Writer& out) {
    out.empty_list();
    out.append(300, [&](std::size_t i) { out.word("t" + std::to_string(i % 290)); });
  });
  EXPECT_NE(pickle.find(wire("58 04000000 't254' 71ff 58 04000000 't255' 72 00010000")), std::string::npos);
  EXPECT_NE(pickle.find(wire("6801 6802")), std::string::npos) << "t0 and t1 again";
  Writer out;
  out.tuple(2, [&] {
    Memo memo = 0;
    out.tuple(401, [&] {
      for (int i = 0; i < 401; ++i) memo = out.empty_dict();
    });
    out.recall(memo);
  });
  EXPECT_NE(std::move(out).finish().find(wire("72 90010000 74 72 91010000 6a 90010000 86")),
            std::string::npos);
}

TEST(PickleWriter, ContainersAreFilledInBatchesOfAThousand) {
  const auto list_of = [](std::size_t count) {
    return pickled([count](Writer& out) {
      out.empty_list();
      out.append(count, [&](std::size_t) { out.none(); });
    });
  };
  const std::string batch = "(" + std::string(1000, 'N') + "e";
  const std::string head = wire("8002 5d 7100");
  EXPECT_EQ(list_of(0), head + ".");
  EXPECT_EQ(list_of(1), head + "Na.");
  EXPECT_EQ(list_of(2), head + "(NNe.");
  EXPECT_EQ(list_of(1000), head + batch + ".");
  EXPECT_EQ(list_of(1001), head + batch + "Na.");
  EXPECT_EQ(list_of(2002), head + batch + batch + "(NNe.");
  EXPECT_EQ(pickled([](Writer& out) {
              out.empty_dict();
              out.set_items(2, [&](std::size_t i) {
                out.integer(static_cast<std::int64_t>(i));
                out.none();
              });
            }),
            wire("8002 7d 7100 28 4b00 4e 4b01 4e 75 2e"));
}

TEST(PickleWriter, AnObjectWithItemsAndAttributes) {
  const std::string pickle = pickled([](Writer& out) {
    out.call("collections", "OrderedDict", 0, [] {});
    out.set_items(1, [&](std::size_t) {
      out.text("k");
      out.integer(1);
    });
    out.build([&] {
      out.empty_dict();
      out.set_items(1, [&](std::size_t) {
        out.text("_metadata");
        out.none();
      });
    });
  });
  EXPECT_EQ(text_of(pickle), "collections.OrderedDict().assign('k': 1).state({'_metadata': None})");
}

TEST(PickleWriter, TextsArePythonsUtf8) {
  const std::string lone = "a\xED\xA0\x80z";  // U+D800 on its own, as "surrogatepass" writes it
  EXPECT_EQ(pickled([&](Writer& out) { out.text(lone); }), wire("8002 58 05000000 'a' eda080 'z' 7100 2e"));
  expect_error(ErrorCode::invalid_argument, "not UTF-8 from byte 1",
               [] { pickled([](Writer& out) { out.text("a\xFF"); }); });
}

}  // namespace
}  // namespace torchferry::pickle
