# cmake -P BuildStamp.cmake began|done
# Notes in target/ when the last complete build began. The launcher rebuilds when a source is newer than that.
get_filename_component(target "${CMAKE_CURRENT_LIST_DIR}/../target" ABSOLUTE)
if(CMAKE_ARGV3 STREQUAL "began")
  file(MAKE_DIRECTORY "${target}")
  file(WRITE "${target}/.build-began" "")
elseif(EXISTS "${target}/.build-began")
  file(RENAME "${target}/.build-began" "${target}/.built")
endif()
