#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace torchferry::testing {

/// The numbers that the samples' contents are made from, the same as in the program that had zlib deflate
/// them.
class Numbers {
 public:
  explicit Numbers(std::uint32_t seed) : state_(seed) {}
  std::uint32_t next() {
    state_ = (state_ * 1'103'515'245U + 12'345U) & 0x7FFFFFFF;
    return state_ >> 16;
  }

 private:
  std::uint32_t state_;
};

inline std::string words() {
  static constexpr const char* list[] = {"torch",  "ferry",  "tensor", "storage", "stride", "shape",
                                         "device", "record", "the",    "a",       "of",     "weight",
                                         "bias",   "layer",  "norm",   "conv"};
  Numbers numbers(42);
  std::string text;
  while (text.size() < 900) text += std::string(list[numbers.next() % 16]) + ' ';
  return text.substr(0, 900);
}

/// Fifteen letters, each as frequent as the two rarer ones together: codes of up to 14 bits.
inline std::string skewed() {
  std::string text;
  unsigned count = 1, before = 0;
  for (char letter = 'A'; letter < 'A' + 15; ++letter) {
    text.append(count, letter);
    count += before;
    before = count - before;
  }
  Numbers numbers(7);
  for (std::size_t i = text.size() - 1; i > 0; --i) std::swap(text[i], text[numbers.next() % (i + 1)]);
  return text;
}

inline std::string run() { return std::string(100'000, 'a'); }

/// The same 64 bytes twice, nearly as far apart as a distance can say.
inline std::string far() {
  Numbers numbers(3);
  std::string head;
  for (int i = 0; i < 64; ++i) head += static_cast<char>(numbers.next() & 0xFF);
  return head + std::string(32'000, '\0') + head;
}

inline std::string nothing() { return {}; }

inline std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

/// What zlib 1.2.13 made of the contents, at several levels and with several strategies.
struct DeflateSample {
  const char* name;
  std::string content;
  std::string stream;
};

inline const std::vector<DeflateSample>& deflate_samples() {
  static const std::vector<DeflateSample> all = {
      {"words level 1", words(),
       from_hex(
           "6d93e10ec23008845f8557c38db925ba1ad6687c7b5beed035f14f475a7af741998acab1eac3b8d6e2d3caf8a66f7339"
           "aa6fb3c962ee6faedcaab61fc5652f7ecf2c489d455eb65dd72a6e53f1b9a515d7ab7553c8c665e4473895fd99c99a01"
           "54415016891cec5d363d4ea2244a97fcd6d540a9f20d59342854667b6e934953277098008caaf0672138460322ee15fd"
           "6a4344515e413b29cff2c7ee5008ae48a777c74ee2419bcdc75e26032b7ad30a4a2edc67ce8841c2a1dc7cb1188ed0d2"
           "de9e4e428da1a076142cb1a45ecba5513b1e04bf6f1b803161833b9a9de8ddb42592e26fefc297609c8a50cd2166879a"
           "10399a1ed9cee954f8cf3a4c002fe7ef73f627206bc0dfc5e1e0ad78699a2c1f")},
      {"words level 6", words(),
       from_hex(
           "6d53d10ec23008fc95fe1a6e6897e86a58a3f1ef5db9eb56a22f1d29c7dd419924495b96a7f2acc5a6ccf82e1fb5b455"
           "5b664d5735fbf0e455d5752b96d6628f7ef54bf2d6e5966b329d8acd3bac98dcb489a2c08b81f7702aebab83e5a87226"
           "68972b30b8bb2cb20da474d42ffab7660ac919b269b89034eb6b99b4b1d3b08bc01859a14f4b4823e1b184de10919425"
           "1827e9291ca74322a8024e8966bb3b0edc1c3efb24181f9fcdded0310dbc0d92d106f543bb61f6ce258dad39212234b4"
           "a7dc8b1f9d2feb900e84c7dbba41acd3efb0c707dc8174f1777658a4a173a2fa129f44a7301946f8bfe60faf610358dc"
           "7f9f513ffc32f1d9c6edeaac5f")},
      {"words fixed", words(),
       from_hex(
           "4b54485428ce482c48859225f945c91950764e62656a9142714951664aaa425a6a51512594840a95a4e615e71729e4e5"
           "17e5c284300d294fcd4ccf2851284a4dce2f4a012acb2f4a4c4f05590ad100d60c510f6626e7e795c11427c275814d82"
           "d89d9f065103114bca4c2c463214ea2298008c2ec9805a948860423d0d7145a2424a6a5966722ac874a883c196401c06"
           "3515623fd44910698804989d88e237080b6a28540b2438a1c6432d460d1da841105b21caa156809c0d73318ad9d0c087"
           "fa13aa184281c306e821786840e2062289ea0ca8fd28de45097bb0598920d3402e81aa40f110500aec163001332f2315"
           "491ac54078dc821d08494e98818d1c8140855057600d3b484242f23954152c11230c42580c3501593936cfc3dd8a9202"
           "a09a61d907d97e942c831a6dc8a90b662a00")},
      {"skewed huffman_only", skewed(),
       from_hex(
           "05c1814104410c03b1da80ffbbddc49ee9bf1b24c9a811b162ebe8b62dad50acad452bf5b22628b615153562c5421711"
           "99a60a6f70708822a3acf32eaa8a627562916761178f6b448b64b06b6c052ba680058f7544e977ad048d1655c34ec4bd"
           "968a41a32522b1787b172b41c561444453f5c5b857977dad4a34b5553e481749c462b5dd7a5290e08e98f6f6e85eb6b5"
           "2572c812b1167da815c77255412d98da5641839a8ae2c64a5c4d5b7b95abb28c6be747f71beb2d8a229a5628c5f60649"
           "176d945a312e1450512ba8d40a6b59b7e1440753206dd48ed6a2ce492dc2602fa5530d54322e40bdc9ad0d742a8295aa"
           "d6b10ca006dc925a7706d6041475ce56025a88b6cc746335065f00c4c57a2612db13ad587354caae4b33aab62a85e815"
           "5e4b31b4349d52d508a25a51e5adf6b40e70d3caae76874ab50d9151ed8eae7283d502e651b1f666252340f11d9244f1"
           "bc14a1fb2776d528aeab28a6468d515574c5e8b166176fbdf62c2e4205c0bba45ef48aad82b7175cc1ac11ad7caa6812"
           "040651aa15a10acdb56b9bb08bae6377a457655091ae4870444c5399284290a7cbf86aac5ad85655572a21b464559410"
           "79d5f6ad22aa7d4664f9ee623144f502c2aa55d556a314835b5cf1c8a3adc790fc9a4419504717f041518a2aec55ec2c"
           "c0a8d067bd255aa3a075758ac062cc55219934a84a35d583a8da8f8afa065d69abd6180f807015fdf6aa9c5a701734a4"
           "e05635c5185743fd1bcf374b4cff01")},
      {"run level 9", run(),
       from_hex(
           "edc13101000000c2a0aceb5fc21a1e400100000000000000000000000000000000000000000000000000000000000000"
           "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
           "0000000000000000000000000000000000af06")},
      {"run rle", run(),
       from_hex(
           "edc13101000000c2a0acf62fb11a1ec00000000000000000000000000000000000000000000000000000000000000000"
           "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
           "00000000000000000000000000000000805b01")},
      {"far level 9", far(),
       from_hex(
           "eddd210e41010000500ea06832f16f4cd0442610eccf2668f2df04417103534cd0dc001b1344c16c8aae21081cc00cc5"
           "0dd4f72ef2c26dbf375cd6d6956c542ea6ae9d4c75333d375fbdee73b018b766ab7c327c8f8ee9a074afdef69344ff73"
           "8ae7ea8da03d9defa2c7e5508801000000000000000000000000000000000000000000000000000000000000fc847ffe"
           "e95f")},
      {"nothing level 6", nothing(), from_hex("0300")},
      {"words flushed between", words(),
       from_hex(
           "644f5b0e02210cbc4aaf56a12c244acdd0acd9dbebd2a226fb53269379c1c4342a3f25ae29520d7ce74340c3d0b25011"
           "e0881b94491f0aea8ac7a2ae212f695b35822445fec814bcc959ea866976fd8449fbbec4fc75cd24efd6e21ae76e8dc7"
           "5f682c5ac47aad4611ff607cda573065d95b92333d06cf121f16a9e50d0000ffff5491390e00210c03df4ac107f87f01"
           "f1ccaee4062239f822fa5a0206c8bc2a1b93a43ea14ee915ee762442957525c6f6e7b8b82ddf9c2e73a59b17e86f83bf"
           "016c1bea57dcea3e5c6bd8c6891b15e841f192e3ec0b0000ffff6d8f510ec2300c43af92ab852e5b2b4183dc08b4db53"
           "8a0b9bc4679ae717373916896cf2b4b2e5105f0596de8f2debdd44e7d8172d50169370a42c61b539643560ef1b876e36"
           "441dbc146d3d499e667aaae336c3832375d5dd7012fd0ed370c469f8dff5538a03c34ae8789f2efe61ac6701a692d7c7"
           "d7fa02")},
  };
  return all;
}

}  // namespace torchferry::testing
