#pragma once

#include <torchferry/content.h>
#include <torchferry/save.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "pickle/writer.h"
#include "torch/save_numpy.h"
#include "torch/save_tensors.h"

namespace torchferry {

/// Turns content into the pickle that torch.save writes for it. Only what weights_only=True knows and plain
/// data of numpy and Python is written: nothing that would have a reader import or run anything else.
class ContentPickle {
 public:
  /// Both must outlive it.
  ContentPickle(const Content& content, const SaveOptions& options)
      : content_(content), options_(options), tensors_(out_, options), numpy_(out_) {}

  /// The pickle. Throws Error(unsupported, invalid_argument), naming the place in the content.
  std::string write();
  /// What the records "data/KEY" hold, by key; once the pickle is written.
  const SavedStorages& storages() const noexcept { return tensors_.storages(); }

 private:
  using Node = Content::Node;

  void collect(const Content& content);
  void collect(const at::Tensor& tensor, const std::optional<std::string>& location);
  void collect(const StateDict& state_dict);

  void write(const Content& content);
  /// Something that can be written again as the same object gives its memo.
  std::optional<pickle::Memo> write_node(const Node& node);
  pickle::Memo write_complex(const Node& node);
  std::optional<pickle::Memo> write_bytes(const Node& node);
  void write_item(const Content::Items& items, std::size_t index);
  void write_items(const Content::Items& items);
  void write_entries(const Content::Entries& entries);
  pickle::Memo write_list(const Node& node);
  std::optional<pickle::Memo> write_tuple(const Node& node);
  pickle::Memo write_set(const Node& node);
  pickle::Memo write_dict(const Node& node);
  pickle::Memo write_state_dict(const StateDict& state_dict);
  void write_versions(const ModuleVersions& versions);
  void write_tensor(const at::Tensor& tensor, TensorForm form);
  void write_dtype(const std::string& name);
  pickle::Memo write_device(const std::string& text);
  void write_global(const std::string& name);
  pickle::Memo write_object(const Node& node);
  void require_hashable(const Content& key) const;

  /// Runs `work` one step further down. When it throws, `path_` still says where that was.
  template <class Work>
  void at(std::string step, const Work& work);

  const Content& content_;
  const SaveOptions& options_;
  pickle::Writer out_;
  TensorPickle tensors_;
  NumpyPickle numpy_;
  std::unordered_set<const Node*> collected_;
  std::unordered_map<const Node*, pickle::Memo> written_;
  std::vector<std::string> path_;
  bool at_tensor_ = false;
};

}  // namespace torchferry
