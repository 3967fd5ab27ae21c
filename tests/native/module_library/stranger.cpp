// A library that says that it was compiled for another libtorch.

namespace {

struct Library {
  int layout, torch_major, torch_minor;
  const char* torchferry;
  const void* modules;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const void* torchferry_module_library() {
  static const Library library{1, 1, 13, "0.0.1", nullptr};
  return &library;
}
