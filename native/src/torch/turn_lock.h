#pragma once

#include <mutex>
#include <shared_mutex>

namespace torchferry {

/// A lock that many users share or one changer has alone, in the order they come: uses that never cease do not keep
/// a changer out, as they can with std::shared_mutex. Not recursive.
class TurnLock {
 public:
  /// Held by a thread that uses what the lock guards.
  class Use {
   public:
    explicit Use(TurnLock& lock) : shared_(lock.in_turn()) {}

   private:
    std::shared_lock<std::shared_mutex> shared_;
  };

  /// Held by the one thread that changes it.
  class Change {
   public:
    explicit Change(TurnLock& lock) : turn_(lock.turn_), alone_(lock.users_) {}

   private:
    std::scoped_lock<std::mutex> turn_;
    std::unique_lock<std::shared_mutex> alone_;
  };

 private:
  std::shared_lock<std::shared_mutex> in_turn() {
    const std::scoped_lock turn(turn_);
    return std::shared_lock(users_);
  }

  std::mutex turn_;
  std::shared_mutex users_;
};

}  // namespace torchferry
