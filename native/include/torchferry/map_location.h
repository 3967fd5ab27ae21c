#pragma once

#include <torchferry/device.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace torchferry {

/// Where storages go: the four forms of torch.load's `map_location`. It is resolved once for each distinct saved
/// location, before any byte moves, and applied to storages; views are built afterwards, so what shared memory when
/// it was saved shares memory on whatever device it lands. Immutable.
class MapLocation {
 public:
  using Function = std::function<std::optional<Device>(const std::string& saved_location)>;

  /// map_location=None: every storage goes where it was saved.
  static MapLocation as_saved();
  /// map_location=device: everything goes there, whatever the tags say.
  static MapLocation to(Device device);
  /// map_location=dict: exact match of the saved location; an unlisted location stays as saved.
  static MapLocation remap(std::map<std::string, Device> devices);
  /// map_location=callable, called once for each distinct saved location; no value means as saved.
  static MapLocation by(Function function);

  /// The location that the storage asks for: a device given by the caller, or none for "as saved".
  std::optional<Device> requested(const std::string& saved_location) const;

 private:
  using Form = std::variant<Device, std::map<std::string, Device>, Function>;
  MapLocation() = default;
  std::shared_ptr<const Form> form_;  ///< none: as saved
};

}  // namespace torchferry
