#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>

#include "pickle/python_values.h"
#include "pickle/tree_text.h"
#include "pickle/wire.h"

// The pickles stand in python_values.h, which make_python_values.py writes from real values. What they must
// read as was written by hand here.

namespace torchferry::pickle::testing {
namespace {

const char* const kFloat32 = "numpy.dtype('f4', False, True).state((3, '<', None, None, None, -1, -1, 0))";
const char* const kInt16 = "numpy.dtype('i2', False, True).state((3, '<', None, None, None, -1, -1, 0))";

std::string ndarray(const std::string& state) {
  return "numpy._core.multiarray._reconstruct(numpy.ndarray, (0,), b'b').state(" + state + ")";
}

const std::map<std::string, std::string>& expected() {
  static const std::map<std::string, std::string> texts = {
      {"none", "None"},
      {"booleans", "(True, False)"},
      {"integers",
       "[0, 255, 256, 65535, 65536, -1, 2147483647, 2147483648, -2147483648, 9223372036854775807, "
       "-9223372036854775808]"},
      {"unsigned", "[int:000000000000008000, int:ffffffffffffffff00]"},
      {"power200", "int:" + std::string(50, '0') + "01"},
      {"negative200", "int:" + std::string(50, '0') + "ff"},
      {"reals", "[r1.5, r-0, rinf, r1e-310]"},
      {"strings", R"(['', '\xc3\xa9', '\xf0\x9f\x94\xa5', 'a\x00b'])"},
      {"lone_surrogate", R"('x\xed\xa0\x80y')"},
      {"bytes_empty", "b''"},
      {"bytes_some", R"(b'\x00\x7f\x80\xff')"},
      {"bytes_ascii", "b'plain'"},
      {"bytearray_empty", "bytearray(b'')"},
      {"bytearray_some", R"(bytearray(b'\x00\xff'))"},
      {"set", "set(7)"},
      {"set_empty", "set()"},
      {"frozenset", "frozenset(7)"},
      {"tuples", "((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4))"},
      {"nested", "{'a': [1, {'b': ()}], 2: None}"},
      {"ordered_dict",
       "collections.OrderedDict().assign('weight': 1, 'bias': 2)"
       ".state({'_metadata': collections.OrderedDict().assign('': {'version': 1})})"},
      {"counter", "collections.Counter({'a': 2, 'b': 1})"},
      {"defaultdict", "collections.defaultdict(builtins.list).assign('k': [1])"},
      {"deque", "collections.deque((), 3).append(1, 2)"},
      {"complex", "builtins.complex(r1, r2)"},
      {"namespace", "new argparse.Namespace().state({'lr': r0.5})"},
      {"simple_namespace", "types.SimpleNamespace().state({'lr': r0.5})"},
      {"path", "pathlib.PurePosixPath('/', 'a', 'b')"},
      {"enum", "http.HTTPStatus(200)"},
      {"namedtuple", "new inspect.Arguments([], None, None)"},
      {"slice_and_range", "(builtins.slice(1, 2, None), builtins.range(0, 6, 2))"},
      {"datetime", R"(datetime.datetime(b'\x07\xe8\x01\x02\x03\x04\x05\x00\x00\x00'))"},
      {"timedelta", "datetime.timedelta(1, 2, 3)"},
      {"decimal", "decimal.Decimal('1.5')"},
      {"fraction", "fractions.Fraction(1, 3)"},
      {"uuid", "new uuid.UUID().state({'int': 5})"},
      {"function", "builtins.getattr(torch._C._VariableFunctionsClass, 'relu')"},
      {"keyworded", "new __main__.Keyworded(1, **{'strict': True})"},
      {"dtype_and_device", "(torch.float32, torch.device('cuda', 1), torch.Size((2, 3)))"},
      {"numpy_scalar", std::string("numpy._core.multiarray.scalar(") + kFloat32 + R"(, b'\x00\x00\xc0?'))"},
      {"numpy_array", ndarray(std::string("(1, (1, 2), ") + kInt16 + R"(, False, b'\x01\x00\x02\x00'))")},
      {"numpy_objects",
       ndarray("(1, (2,), numpy.dtype('O8', False, True).state((3, '|', None, None, None, -1, -1, 63)), "
               "False, [None, 1])")},
      {"numpy_structured",
       std::string("numpy.dtype('V6', False, True).state((3, '|', None, ('x', 'y'), {'x': (") + kFloat32 +
           ", 0), 'y': (numpy.dtype('i2', False, True).state((3, '>', None, None, None, -1, -1, 0)), 4)}, "
           "6, 1, 16))"},
      {"recursive_list", "[1, ...]"},
      {"recursive_dict", "{'self': ...}"},
      {"recursive_tuple", "([...],)"},
      {"shared", "[[], [], []]"},
  };
  return texts;
}

/// Where a protocol has another form than the rest.
std::string expected_text(const PythonValue& value) {
  const std::string name = value.name;
  if (name == "keyworded" && value.protocol < 4) {
    const std::string make = "builtins.getattr(builtins.object, '__new__')";
    return "functools.partial(" + make + ").state((" + make +
           ", (__main__.Keyworded, 1), {'strict': True}, None))()";
  }
  if (name == "numpy_array" && value.protocol == 5) {
    return std::string(R"(numpy._core.numeric._frombuffer(bytearray(b'\x01\x00\x02\x00'), )") + kInt16 +
           ", (1, 2), 'C')";
  }
  return expected().at(name);
}

TEST(PythonValues, EveryValueReadsTheSameInEveryProtocol) {
  std::size_t read = 0;
  for (const PythonValue& value : kPythonValues) {
    const std::string bytes = wire(value.hex);
    const Parsed parsed = parse_text(bytes);
    EXPECT_EQ(text_of(parsed.tree), expected_text(value)) << value.name << " in protocol " << value.protocol;
    EXPECT_EQ(parsed.consumed, bytes.size()) << value.name;
    ++read;
  }
  EXPECT_EQ(read, expected().size() * 4);
}

const PythonValue& python_value(const std::string& name, int protocol) {
  for (const PythonValue& value : kPythonValues) {
    if (value.name == name && value.protocol == protocol) return value;
  }
  throw std::out_of_range(name);
}

TEST(PythonValues, ASharedListIsOneNode) {
  const std::string bytes = wire(python_value("shared", 2).hex);
  const Parsed parsed = parse_text(bytes);
  const auto items = parsed.tree.items(parsed.tree.root());
  ASSERT_EQ(items.size(), 3u);
  EXPECT_EQ(items[0], items[2]);
  EXPECT_NE(items[0], items[1]);
}

TEST(PythonValues, AListMayHoldItself) {
  for (const int protocol : {2, 3, 4, 5}) {
    const std::string bytes = wire(python_value("recursive_list", protocol).hex);
    const Parsed parsed = parse_text(bytes);
    EXPECT_EQ(parsed.tree.items(parsed.tree.root())[1], parsed.tree.root());
  }
}

TEST(PythonValues, ATupleMayHoldAListThatHoldsTheTuple) {
  for (const int protocol : {2, 3, 4, 5}) {
    const std::string bytes = wire(python_value("recursive_tuple", protocol).hex);
    const Parsed parsed = parse_text(bytes);
    const Tree& tree = parsed.tree;
    EXPECT_EQ(tree.items(tree.items(tree.root())[0])[0], tree.root());
  }
}

TEST(PythonValues, TheCheckpointSharesItsTiedStorageKey) {
  const std::string bytes = wire(kCheckpoint);
  const Parsed parsed = parse_text(bytes);
  const std::string text = text_of(parsed.tree);
  EXPECT_EQ(parsed.consumed, bytes.size());
  const std::string tied =
      "'tied': torch._utils._rebuild_tensor_v2(persistent(('storage', torch.FloatStorage, '0', 'cpu', 4)), 0, "
      "(2, 2), (2, 1), False, collections.OrderedDict())";
  EXPECT_NE(text.find(tied), std::string::npos) << text;
  EXPECT_NE(text.find("'1.num_batches_tracked': torch._utils._rebuild_tensor_v2(persistent(('storage', "
                      "torch.LongStorage, '6', 'cpu', 1)), 0, (), (), False, collections.OrderedDict())"),
            std::string::npos);
  EXPECT_NE(text.find(".state({'_metadata': collections.OrderedDict().assign('': {'version': 1}, "
                      "'0': {'version': 1}, '1': {'version': 2})})"),
            std::string::npos);
  EXPECT_NE(text.find("'epoch': 3, 'param_groups': [{'lr': r0.001, 'betas': (r0.9, r0.999), "
                      "'params': [0, 1]}]}"),
            std::string::npos);
}

// Long values: written here as Python writes them, in batches of 1000, which the hash of the real pickle
// proves.

std::uint64_t fnv1a(const std::string& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

std::string python_int(unsigned value) {
  return value < 256 ? "K" + little_endian(value, 1) : "M" + little_endian(value, 2);
}

void expect_same(const std::string& bytes, const LongValue& real) {
  EXPECT_EQ(bytes.size(), real.size);
  EXPECT_EQ(fnv1a(bytes), real.hash);
}

TEST(PythonValues, ADictOf2500ComesInThreeBatches) {
  std::string bytes = wire("80 02 7d 71 00");
  unsigned memo = 1;
  for (unsigned key = 0; key < 2500; ++key) {
    const std::string text = std::to_string(key);
    if (key % 1000 == 0) bytes += "(";
    bytes += python_int(key) + "X" + little_endian(text.size(), 4) + text;
    bytes += memo < 256 ? "q" + little_endian(memo, 1) : "r" + little_endian(memo, 4);
    ++memo;
    if (key % 1000 == 999 || key == 2499) bytes += "u";
  }
  bytes += ".";
  expect_same(bytes, kDict2500);

  const Parsed parsed = parse_text(bytes);
  const auto pairs = parsed.tree.pairs(parsed.tree.root());
  ASSERT_EQ(pairs.size(), 5000u);
  for (unsigned key = 0; key < 2500; ++key) {
    ASSERT_EQ(parsed.tree.integer(pairs[2 * key]), key);
    ASSERT_EQ(parsed.tree.text(pairs[2 * key + 1]), std::to_string(key));
  }
}

void expect_numbers_to_1000(const std::string& bytes) {
  const Parsed parsed = parse_text(bytes);
  const auto items = parsed.tree.items(parsed.tree.root());
  ASSERT_EQ(items.size(), 1001u);
  for (unsigned item = 0; item < 1001; ++item) ASSERT_EQ(parsed.tree.integer(items[item]), item);
}

TEST(PythonValues, AListOf1001EndsWithABatchOfOneOrWithAppend) {
  std::string batch = wire("80 02 5d 71 00") + "(";
  for (unsigned item = 0; item < 1000; ++item) batch += python_int(item);
  batch += "e";
  const std::string in_c = batch + "(" + python_int(1000) + "e.";
  const std::string in_python = batch + python_int(1000) + "a.";
  expect_same(in_c, kList1001);
  expect_same(in_python, kList1001ByPython);
  expect_numbers_to_1000(in_c);
  expect_numbers_to_1000(in_python);
}

}  // namespace
}  // namespace torchferry::pickle::testing
