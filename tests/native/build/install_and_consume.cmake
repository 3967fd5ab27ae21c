# cmake -DBUILD= -DWORK= -DCONSUMER= -DPROGRAM= [-DARGUMENTS=] [-DLIBTORCH=] -DGENERATOR= -DCOMPILER= -DSANITIZE=
#       -P install_and_consume.cmake
# Installs into an empty prefix and builds and runs a program that knows only find_package(Torchferry).
cmake_minimum_required(VERSION 3.22)

file(REMOVE_RECURSE "${WORK}")
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\ngave ${status}:\n${output}")
  endif()
endfunction()

set(flags "")
if(SANITIZE)
  set(flags "-fsanitize=${SANITIZE}")
endif()
run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix")
run("${CMAKE_COMMAND}" -S "${CONSUMER}" -B "${WORK}/build" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix"
    "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DCMAKE_CXX_FLAGS=${flags}" "-DLIBTORCH=${LIBTORCH}")
run("${CMAKE_COMMAND}" --build "${WORK}/build")
run("${WORK}/build/${PROGRAM}" ${ARGUMENTS})
message(STATUS "installed, found, built and run")
