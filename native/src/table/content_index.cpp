#include "table/content_index.h"

#include <algorithm>

#include "table/rebuild.h"

namespace torchferry {

void read_content(Checkpoint::State& state, const StorageDirectory& storages, std::size_t expected_tensors,
                  bool swap_bytes) {
  const Limits& limits = state.options.limits;
  TableBuilder builder(limits);
  builder.reserve(std::min<std::size_t>(expected_tensors, 1 << 20));
  state.entries.reserve(std::min<std::size_t>(expected_tensors, 1 << 20));
  Rebuilder rebuilder(*state.tree, builder, storages, swap_bytes);
  const auto tensor_row = [&rebuilder](NodeId node) { return rebuilder.tensor(node); };
  Walk walk(*state.tree, state.pickle.size(), tensor_row, state.names, limits);
  if (state.format == Format::torchscript) {
    walk.use_script_classes(state.script_classes, [&builder](std::uint32_t row, bool parameter) {
      (parameter ? builder.tensor(row).parameter : builder.tensor(row).buffer) = true;
    });
  }
  walk.from(state.tree->root(), state.entries);
  state.row_by_node = std::move(rebuilder).take_rows_by_node();
  state.table = std::move(builder).finish();
}

}  // namespace torchferry
