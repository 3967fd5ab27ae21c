#include <torchferry/map_location.h>

#include <utility>

namespace torchferry {

MapLocation MapLocation::as_saved() { return {}; }

MapLocation MapLocation::to(Device device) {
  MapLocation result;
  result.form_ = std::make_shared<const Form>(std::in_place_type<Device>, std::move(device));
  return result;
}

MapLocation MapLocation::remap(std::map<std::string, Device> devices) {
  MapLocation result;
  result.form_ = std::make_shared<const Form>(std::in_place_type<std::map<std::string, Device>>, std::move(devices));
  return result;
}

MapLocation MapLocation::by(Function function) {
  MapLocation result;
  result.form_ = std::make_shared<const Form>(std::in_place_type<Function>, std::move(function));
  return result;
}

std::optional<Device> MapLocation::requested(const std::string& saved_location) const {
  if (!form_) return std::nullopt;
  if (const auto* device = std::get_if<Device>(form_.get())) return *device;
  if (const auto* devices = std::get_if<std::map<std::string, Device>>(form_.get())) {
    const auto found = devices->find(saved_location);
    return found == devices->end() ? std::nullopt : std::optional(found->second);
  }
  if (const auto* function = std::get_if<Function>(form_.get())) return (*function)(saved_location);
  return std::nullopt;
}

}  // namespace torchferry
