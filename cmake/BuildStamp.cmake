# cmake -P BuildStamp.cmake began|done
# Notes in target/ when the last complete build began. The launcher rebuilds when a source is newer than that.
cmake_minimum_required(VERSION 3.22)

get_filename_component(root "${CMAKE_CURRENT_LIST_DIR}/.." REALPATH)
set(target "${root}/target")

if(CMAKE_ARGV3 STREQUAL "began")
  # CMake refuses a build folder made for sources elsewhere: after the checkout was moved or copied it is made anew.
  if(EXISTS "${target}/cmake/CMakeCache.txt")
    file(STRINGS "${target}/cmake/CMakeCache.txt" home REGEX "^CMAKE_HOME_DIRECTORY:")
    string(REGEX REPLACE "^[^=]*=" "" home "${home}")
    get_filename_component(home "${home}" REALPATH)
    if(NOT home STREQUAL root)
      message(STATUS "${target}/cmake was made for ${home}: removed")
      file(REMOVE_RECURSE "${target}/cmake")
    endif()
  endif()
  file(MAKE_DIRECTORY "${target}")
  file(WRITE "${target}/.build-began" "")
elseif(EXISTS "${target}/.build-began")
  file(RENAME "${target}/.build-began" "${target}/.built")
endif()
