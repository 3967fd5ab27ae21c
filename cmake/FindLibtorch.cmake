# Finds libtorch and says which one it took.
#
#   find_package(Libtorch)  ->  Torchferry::libtorch   headers (as system headers), libtorch_cpu and libc10
#                               Libtorch_FOLDER        the folder with include/ and lib/
#                               Libtorch_LIBRARIES     libtorch_cpu and libc10, as files
#                               Libtorch_INCLUDE_DIRS  those of its header folders the compiler does not search anyway
#                               Libtorch_VERSION       such as 2.13.0
#                               Libtorch_CXX11_ABI     whether it was built with the new std::string
#
# Asked in this order; the first that has headers and libraries of a supported version is taken:
#   1. LIBTORCH, as a cache variable or in the environment; when it is set and wrong, that is an error
#   2. CMAKE_PREFIX_PATH and Torch_DIR, as torch.utils.cmake_prefix_path names them
#   3. what an earlier run of this build folder took
#   4. the torch package of python3
#   5. the wheel unpacked earlier under ${XDG_CACHE_HOME:-~/.cache}/torchferry
#   6. one download of the pinned CPU wheel with pip into that folder (TORCHFERRY_FETCH_LIBTORCH=OFF forbids it)
#   7. the system's
#
# TorchConfig.cmake is not used: for a CUDA build of libtorch it stops where no CUDA toolkit is installed,
# and neither its headers nor the CPU libraries we link need one.

set(Libtorch_MINIMUM_VERSION 2.10.0)
set(Libtorch_PINNED_VERSION 2.13.0)
option(TORCHFERRY_FETCH_LIBTORCH "Download the pinned CPU wheel when no libtorch is found" ON)

set(_libtorch_cures "Give the folder that has include/ and lib/ with -DLIBTORCH=<folder> or in the environment \
variable LIBTORCH (for PyTorch in Python it is the folder that torch.__file__ lies in), or let pip fetch it once: \
python3 -m pip must be able to reach download.pytorch.org.")

# Sets <result> to libtorch_cpu and libc10 of the libtorch in <folder>, or to "".
function(_libtorch_libraries folder result)
  foreach(lib IN ITEMS lib lib64 "lib/${CMAKE_LIBRARY_ARCHITECTURE}")
    if(EXISTS "${folder}/${lib}/libtorch_cpu.so" AND EXISTS "${folder}/${lib}/libc10.so")
      set(${result} "${folder}/${lib}/libtorch_cpu.so" "${folder}/${lib}/libc10.so" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${result} "" PARENT_SCOPE)
endfunction()

# Sets <result> to the version of the libtorch in <folder>, or to "" and <result>_why to what is missing.
function(_libtorch_version folder result)
  set(${result} "" PARENT_SCOPE)
  _libtorch_libraries("${folder}" libraries)
  if(NOT libraries)
    set(${result}_why "${folder}/lib has no libtorch_cpu.so with libc10.so" PARENT_SCOPE)
    return()
  endif()
  foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS "${folder}/include/${header}")
      file(STRINGS "${folder}/include/${header}" lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
      if(lines MATCHES "MAJOR +([0-9]+).*MINOR +([0-9]+).*PATCH +([0-9]+)")
        set(${result} "${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3}" PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()
  set(${result}_why "${folder}/include/torch/headeronly/version.h does not exist" PARENT_SCOPE)
endfunction()

# Takes <folder> when it holds a usable libtorch; <source> says where the name came from. A folder the user
# named (STRICT) must be usable, any other is passed over with a line that says why.
macro(_libtorch_try folder source strictness)
  if(NOT Libtorch_FOLDER AND NOT "${folder}" STREQUAL "")
    get_filename_component(_libtorch_candidate "${folder}" REALPATH)
    _libtorch_version("${_libtorch_candidate}" _libtorch_found)
    set(_libtorch_problem "")
    if(NOT _libtorch_found)
      set(_libtorch_problem "${_libtorch_found_why}")
    elseif(_libtorch_found VERSION_LESS Libtorch_MINIMUM_VERSION)
      set(_libtorch_problem "version ${_libtorch_found} is older than ${Libtorch_MINIMUM_VERSION}, the oldest supported")
    endif()
    if(NOT _libtorch_problem)
      set(Libtorch_FOLDER "${_libtorch_candidate}")
      set(Libtorch_VERSION "${_libtorch_found}")
      set(Libtorch_SOURCE "${source}")
    elseif("${strictness}" STREQUAL "STRICT")
      message(FATAL_ERROR "${source} names no usable libtorch: ${_libtorch_problem}.\n${_libtorch_cures}")
    else()
      message(STATUS "libtorch: passing over ${source}: ${_libtorch_problem}")
    endif()
  endif()
endmacro()

# CMAKE_PREFIX_PATH may name the torch folder or its share/cmake; Torch_DIR is share/cmake/Torch.
function(_libtorch_from_prefixes result)
  set(names ${CMAKE_PREFIX_PATH})
  if(DEFINED ENV{CMAKE_PREFIX_PATH})
    string(REPLACE ":" ";" from_environment "$ENV{CMAKE_PREFIX_PATH}")
    list(APPEND names ${from_environment})
  endif()
  foreach(dir IN ITEMS "${Torch_DIR}" "$ENV{Torch_DIR}")
    if(dir)
      list(APPEND names "${dir}/../../..")
    endif()
  endforeach()
  foreach(name IN LISTS names)
    foreach(folder "${name}" "${name}/../..")
      if(EXISTS "${folder}/lib/libtorch_cpu.so")
        set(${result} "${folder}" PARENT_SCOPE)
        return()
      endif()
    endforeach()
  endforeach()
  set(${result} "" PARENT_SCOPE)
endfunction()

# find_spec names the package's folder in a few hundredths of a second; importing torch takes seconds.
function(_libtorch_from_python result)
  set(${result} "" PARENT_SCOPE)
  if(TORCHFERRY_PYTHON3)
    string(CONCAT program "import importlib.util as u; s = u.find_spec('torch'); "
                          "print(s.submodule_search_locations[0] if s else '', end='')")
    execute_process(
      COMMAND "${TORCHFERRY_PYTHON3}" -c "${program}"
      OUTPUT_VARIABLE folder RESULT_VARIABLE status ERROR_QUIET)
    if(status EQUAL 0)
      set(${result} "${folder}" PARENT_SCOPE)
    endif()
  endif()
endfunction()

function(_libtorch_cache_folder result)
  set(base "$ENV{XDG_CACHE_HOME}")
  if(NOT base)
    set(base "$ENV{HOME}/.cache")
  endif()
  set(${result} "${base}/torchferry/libtorch-${Libtorch_PINNED_VERSION}-cpu" PARENT_SCOPE)
endfunction()

# Downloads the pinned wheel and unpacks what building and running need. The folder appears whole or not at all.
function(_libtorch_fetch folder)
  if(NOT TORCHFERRY_FETCH_LIBTORCH OR NOT TORCHFERRY_PYTHON3)
    return()
  endif()
  get_filename_component(parent "${folder}" DIRECTORY)
  string(RANDOM LENGTH 8 suffix)
  set(work "${parent}/.fetching-${suffix}")
  file(MAKE_DIRECTORY "${work}")
  message(STATUS "libtorch: none found, fetching torch ${Libtorch_PINNED_VERSION}+cpu with pip, once, about 190 MB")
  # Interpreter, ABI and platform are pinned so that any python3 fetches the one wheel; pip checks the index's hash.
  execute_process(
    COMMAND "${TORCHFERRY_PYTHON3}" -m pip download -q --no-deps --disable-pip-version-check --retries 1
            --timeout 30 --index-url https://download.pytorch.org/whl/cpu --only-binary=:all: --implementation cp
            --python-version 3.11 --abi cp311 --platform manylinux_2_28_${CMAKE_HOST_SYSTEM_PROCESSOR}
            -d "${work}" torch==${Libtorch_PINNED_VERSION}+cpu
    RESULT_VARIABLE status ERROR_VARIABLE errors OUTPUT_QUIET)
  file(GLOB wheel "${work}/torch-*.whl")
  if(NOT status EQUAL 0 OR NOT wheel)
    string(STRIP "${errors}" errors)
    message(STATUS "libtorch: pip could not fetch it: ${errors}")
    file(REMOVE_RECURSE "${work}")
    return()
  endif()
  file(ARCHIVE_EXTRACT INPUT "${wheel}" DESTINATION "${work}"
       PATTERNS "torch/include/*" "torch/lib/libc10.so" "torch/lib/libtorch.so" "torch/lib/libtorch_cpu.so"
                "torch/lib/libgomp*" "torch/version.py" "torch-*.dist-info/*")
  _libtorch_version("${work}/torch" version)
  if(NOT version)
    message(STATUS "libtorch: the wheel is not as expected: ${version_why}")
    file(REMOVE_RECURSE "${work}")
    return()
  endif()
  file(GLOB licences "${work}/torch-*.dist-info")
  if(licences)
    file(RENAME "${licences}" "${work}/torch/dist-info")
  endif()
  if(NOT EXISTS "${folder}")
    file(RENAME "${work}/torch" "${folder}" RESULT status)
    if(NOT status EQUAL 0 AND NOT EXISTS "${folder}")
      message(STATUS "libtorch: ${folder} could not be written: ${status}")
    endif()
  endif()
  file(REMOVE_RECURSE "${work}")
endfunction()

set(Libtorch_FOLDER "")
find_program(TORCHFERRY_PYTHON3 python3 DOC "Asked for its torch package, and for pip")

if(LIBTORCH)
  _libtorch_try("${LIBTORCH}" "the CMake variable LIBTORCH=${LIBTORCH}" STRICT)
elseif(DEFINED ENV{LIBTORCH} AND NOT "$ENV{LIBTORCH}" STREQUAL "")
  _libtorch_try("$ENV{LIBTORCH}" "the environment variable LIBTORCH=$ENV{LIBTORCH}" STRICT)
endif()
if(NOT Libtorch_FOLDER)
  _libtorch_from_prefixes(_libtorch_folder)
  _libtorch_try("${_libtorch_folder}" "CMAKE_PREFIX_PATH or Torch_DIR" STRICT)
endif()
if(NOT Libtorch_FOLDER AND TORCHFERRY_LIBTORCH_TAKEN)
  _libtorch_try("${TORCHFERRY_LIBTORCH_TAKEN}" "this build folder's earlier choice" LENIENT)
endif()
if(NOT Libtorch_FOLDER)
  _libtorch_from_python(_libtorch_folder)
  _libtorch_try("${_libtorch_folder}" "the torch package of ${TORCHFERRY_PYTHON3}" LENIENT)
endif()
if(NOT Libtorch_FOLDER)
  _libtorch_cache_folder(_libtorch_folder)
  if(EXISTS "${_libtorch_folder}")
    _libtorch_try("${_libtorch_folder}" "the wheel fetched earlier" LENIENT)
  else()
    _libtorch_fetch("${_libtorch_folder}")
    if(EXISTS "${_libtorch_folder}")
      _libtorch_try("${_libtorch_folder}" "the wheel just fetched" LENIENT)
    endif()
  endif()
endif()
foreach(_libtorch_folder /usr/local /usr)
  if(EXISTS "${_libtorch_folder}/include/torch")
    _libtorch_try("${_libtorch_folder}" "the system" LENIENT)
  endif()
endforeach()

include(FindPackageHandleStandardArgs)
set(Libtorch_FIND_QUIETLY TRUE)
find_package_handle_standard_args(
  Libtorch REQUIRED_VARS Libtorch_FOLDER VERSION_VAR Libtorch_VERSION
  REASON_FAILURE_MESSAGE "no libtorch was found. ${_libtorch_cures}")

if(Libtorch_FOUND)
  set(TORCHFERRY_LIBTORCH_TAKEN "${Libtorch_FOLDER}" CACHE INTERNAL "The libtorch taken by the last configuration")
  set(Libtorch_BUILD CPU)
  if(EXISTS "${Libtorch_FOLDER}/lib/libtorch_cuda.so")
    set(Libtorch_BUILD CUDA)
  elseif(EXISTS "${Libtorch_FOLDER}/lib/libtorch_hip.so")
    set(Libtorch_BUILD ROCm)
  endif()
  _libtorch_libraries("${Libtorch_FOLDER}" Libtorch_LIBRARIES)
  list(GET Libtorch_LIBRARIES 1 _libtorch_c10)
  # A system folder must not be named again: that breaks the standard library's own search.
  set(Libtorch_INCLUDE_DIRS "${Libtorch_FOLDER}/include" "${Libtorch_FOLDER}/include/torch/csrc/api/include")
  list(REMOVE_ITEM Libtorch_INCLUDE_DIRS ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES})
  file(STRINGS "${_libtorch_c10}" _libtorch_new_strings REGEX "__cxx11" LIMIT_COUNT 1)
  set(Libtorch_CXX11_ABI ON)
  if(NOT _libtorch_new_strings)
    set(Libtorch_CXX11_ABI OFF)
  endif()
  message(STATUS "libtorch: ${Libtorch_VERSION} (${Libtorch_BUILD} build), from ${Libtorch_SOURCE}: ${Libtorch_FOLDER}")

  if(NOT TARGET Torchferry::libtorch)
    add_library(Torchferry::libtorch INTERFACE IMPORTED)
    target_include_directories(Torchferry::libtorch SYSTEM INTERFACE ${Libtorch_INCLUDE_DIRS})
    target_link_libraries(Torchferry::libtorch INTERFACE ${Libtorch_LIBRARIES})
    # What libtorch itself needs (BLAS, CUDA's runtime) is the loader's concern, not the linker's.
    target_link_options(Torchferry::libtorch INTERFACE LINKER:--allow-shlib-undefined)
    if(NOT Libtorch_CXX11_ABI)
      target_compile_definitions(Torchferry::libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=0)
    endif()
  endif()
endif()
