# Flags for our own code. They travel on the target torchferry_flags, which everything here links privately
# and which is never installed.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()
# Line tables are enough for stack traces; full debug information adds seconds to every file that includes ATen.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

find_program(TORCHFERRY_CCACHE ccache DOC "Compiler cache, used when there is one")
if(TORCHFERRY_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${TORCHFERRY_CCACHE}")
endif()

set(TORCHFERRY_COMPILE_OPTIONS -Wall -Wextra)
set(TORCHFERRY_LINK_OPTIONS "")
if(TORCHFERRY_SANITIZE)
  list(APPEND TORCHFERRY_COMPILE_OPTIONS
       -fsanitize=${TORCHFERRY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  list(APPEND TORCHFERRY_LINK_OPTIONS -fsanitize=${TORCHFERRY_SANITIZE})
  message(STATUS "sanitizers: ${TORCHFERRY_SANITIZE}")
endif()

find_package(Threads REQUIRED)
add_library(torchferry_flags INTERFACE)
target_compile_definitions(torchferry_flags INTERFACE TORCHFERRY_VERSION="${PROJECT_VERSION}")
target_compile_options(torchferry_flags INTERFACE ${TORCHFERRY_COMPILE_OPTIONS})
target_link_options(torchferry_flags INTERFACE ${TORCHFERRY_LINK_OPTIONS})
