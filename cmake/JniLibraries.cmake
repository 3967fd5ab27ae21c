# The two JNI libraries: libtorchferry_format_jni.so needs no libtorch, libtorchferry_jni.so does.
#
# Maven compiles and links them (after javac -h, before the tests) from the response files written here, so that
# no flag, folder or library is named twice. TORCHFERRY_JNI=ON builds the same two here, for sanitizers and for
# working without Maven. Also written: beside the libraries libtorch.properties, the version of libtorch that they need,
# and libtorch-folder.properties, where this build found it, which is not published; and maven.properties, which tells
# Maven the same folders.
#
#   TORCHFERRY_JNI_FOLDER    where the two libraries are linked, by Maven or here; a test looks at them there
#   TORCHFERRY_JNI_HEADERS   where javac -h writes the headers of the native methods
#   TORCHFERRY_JNI_OBJECTS   where Maven keeps its objects; emptied when the flags in a response file change,
#                            because native-maven-plugin looks at sources and headers only

include(JavaProperties)

set(TORCHFERRY_JNI_FOLDER "${CMAKE_BINARY_DIR}/jni" CACHE PATH "Folder of the two JNI libraries")
set(TORCHFERRY_JNI_HEADERS "${CMAKE_BINARY_DIR}/jni-headers" CACHE PATH "Folder of the headers javac writes")
set(TORCHFERRY_JNI_OBJECTS "" CACHE PATH "Folder of the objects made from the response files")
foreach(folder TORCHFERRY_JNI_FOLDER TORCHFERRY_JNI_HEADERS TORCHFERRY_JNI_OBJECTS)
  if(${folder})
    get_filename_component(${folder} "${${folder}}" ABSOLUTE)
  endif()
endforeach()
set(jni_folder "${PROJECT_SOURCE_DIR}/native/jni")

# A word of a response file: gcc splits at blanks and takes a backslash as an escape.
function(torchferry_response_word word result)
  string(REPLACE "\\" "\\\\" word "${word}")
  string(REPLACE "\"" "\\\"" word "${word}")
  if(word MATCHES "[ \t']")
    set(word "\"${word}\"")
  endif()
  set(${result} "${word}" PARENT_SCOPE)
endfunction()

function(torchferry_write_response_file name)
  set(content "")
  foreach(argument IN LISTS ARGN)
    torchferry_response_word("${argument}" word)
    string(APPEND content "${word}\n")
  endforeach()
  set(path "${CMAKE_BINARY_DIR}/${name}.rsp")
  set(before "")
  if(EXISTS "${path}")
    file(READ "${path}" before)
  endif()
  if(NOT before STREQUAL content)
    file(WRITE "${path}" "${content}")
    if(TORCHFERRY_JNI_OBJECTS)
      file(REMOVE_RECURSE "${TORCHFERRY_JNI_OBJECTS}")
    endif()
  endif()
endfunction()

set(jni_compile_flags "")
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}}")
list(APPEND jni_compile_flags ${flags} -std=c++20 -fPIC -fvisibility=hidden -fvisibility-inlines-hidden
     "-DTORCHFERRY_VERSION=\"${PROJECT_VERSION}\"" ${TORCHFERRY_COMPILE_OPTIONS}
     ${TORCHFERRY_PATH_OPTIONS} "-I${PROJECT_SOURCE_DIR}/native/include" "-I${jni_folder}")
if(TORCHFERRY_TORCH AND NOT Libtorch_CXX11_ABI)
  list(APPEND jni_compile_flags -D_GLIBCXX_USE_CXX11_ABI=0)
endif()

# -z now: a libtorch that lacks a function we use is refused when the library is loaded, not in the middle of work.
set(jni_link_flags
    -Wl,--version-script=${jni_folder}/exports.map -Wl,--exclude-libs,ALL -Wl,--as-needed -Wl,--no-undefined -Wl,-z,now
    -Wl,-z,relro -Wl,-z,noexecstack -Wl,--enable-new-dtags -Wl,--gc-sections)
if(NOT TORCHFERRY_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  list(APPEND jni_link_flags -Wl,--strip-debug)  # function names stay for crash reports; five sixths of the bytes go
endif()
set(jni_runpath "-Wl,-rpath,$ORIGIN")
if(TORCHFERRY_SANITIZE)
  # The sanitizers' run time is loaded before the JVM (LD_PRELOAD); its symbols stay undefined here.
  list(REMOVE_ITEM jni_link_flags -Wl,--no-undefined)
endif()
set(format_archive "${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/libtorchferry_format.a")
set(torch_archive "${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/libtorchferry.a")

torchferry_write_response_file(jni-format-compile ${jni_compile_flags})
torchferry_write_response_file(jni-format-link "${format_archive}" ${TORCHFERRY_LINK_OPTIONS} ${jni_link_flags}
                               ${jni_runpath} -pthread)
if(TORCHFERRY_TORCH)
  list(TRANSFORM Libtorch_INCLUDE_DIRS PREPEND "-isystem;" OUTPUT_VARIABLE libtorch_includes)
  torchferry_write_response_file(jni-torch-compile ${jni_compile_flags} ${libtorch_includes})
  torchferry_write_response_file(jni-torch-link "${torch_archive}" "${format_archive}" ${Libtorch_LIBRARIES}
                                 ${TORCHFERRY_LINK_OPTIONS} ${jni_link_flags} ${jni_runpath} -pthread)

  torchferry_write_properties("${TORCHFERRY_JNI_FOLDER}/libtorch.properties"
                              "The libtorch that the library beside this file was compiled against"
                              version "${Libtorch_VERSION}")
  torchferry_write_properties("${TORCHFERRY_JNI_FOLDER}/libtorch-folder.properties" "Where it was on the machine of the build"
                              folder "${Libtorch_FOLDER}")
  torchferry_write_properties(
    "${CMAKE_BINARY_DIR}/maven.properties" "Folders as Maven's tests need them"
    build.root "${PROJECT_SOURCE_DIR}" build.natives "${TORCHFERRY_JNI_FOLDER}" libtorch.folder "${Libtorch_FOLDER}")
endif()

# The JDK: its jni.h, and javac for the headers of the native methods.
find_program(TORCHFERRY_JAVAC javac HINTS "$ENV{JAVA_HOME}/bin" DOC "Writes the headers of the native methods")
set(java_homes "$ENV{JAVA_HOME}")
if(TORCHFERRY_JAVAC)
  get_filename_component(java_homes "${TORCHFERRY_JAVAC}" REALPATH)
  get_filename_component(java_homes "${java_homes}/../.." ABSOLUTE)
endif()
find_path(TORCHFERRY_JNI_INCLUDE jni.h HINTS "${java_homes}/include" "$ENV{JAVA_HOME}/include" NO_DEFAULT_PATH)

if(TORCHFERRY_JNI)
  if(NOT TORCHFERRY_JAVAC OR NOT TORCHFERRY_JNI_INCLUDE)
    message(FATAL_ERROR "TORCHFERRY_JNI=ON needs a JDK: put its javac on the PATH or set JAVA_HOME.")
  endif()
  set(headers "${TORCHFERRY_JNI_HEADERS}")
  set(java_sources "${PROJECT_SOURCE_DIR}/java/core/src/main/java")
  file(GLOB_RECURSE java_files CONFIGURE_DEPENDS "${java_sources}/*.java")
  add_custom_command(
    OUTPUT "${headers}/written"
    COMMAND "${TORCHFERRY_JAVAC}" -nowarn -encoding UTF-8 --release 17 -h "${headers}"
            -d "${CMAKE_BINARY_DIR}/jni-classes" -sourcepath "${java_sources}" "${java_sources}/io/torchferry/FormatNative.java"
            "${java_sources}/io/torchferry/TorchNative.java"
    COMMAND "${CMAKE_COMMAND}" -E touch "${headers}/written"
    DEPENDS ${java_files}
    COMMENT "Writing the headers of the native methods" VERBATIM)
  add_custom_target(torchferry_jni_headers DEPENDS "${headers}/written")

  function(torchferry_jni_library name folder core)
    file(GLOB shared CONFIGURE_DEPENDS "${jni_folder}/*.cpp")
    file(GLOB own CONFIGURE_DEPENDS "${jni_folder}/${folder}/*.cpp")
    add_library(${name} SHARED ${shared} ${own})
    add_dependencies(${name} torchferry_jni_headers)
    target_include_directories(${name} PRIVATE "${jni_folder}" "${headers}")
    target_include_directories(${name} SYSTEM PRIVATE "${TORCHFERRY_JNI_INCLUDE}" "${TORCHFERRY_JNI_INCLUDE}/linux")
    target_link_libraries(${name} PRIVATE ${core} torchferry_flags)
    target_link_options(${name} PRIVATE ${jni_link_flags})
    set_target_properties(
      ${name} PROPERTIES LINK_DEPENDS "${jni_folder}/exports.map" LIBRARY_OUTPUT_DIRECTORY "${TORCHFERRY_JNI_FOLDER}"
                         INSTALL_RPATH "$ORIGIN" BUILD_WITH_INSTALL_RPATH ON)
  endfunction()

  torchferry_jni_library(torchferry_format_jni format torchferry_format)
  if(TORCHFERRY_TORCH)
    torchferry_jni_library(torchferry_jni torch torchferry)
  endif()
endif()
