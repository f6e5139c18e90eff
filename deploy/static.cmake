# SPDX-License-Identifier: Apache-2.0
# Self-contained programs (RINGSIDE_STATIC, deploy/static): libraries are linked from the archives
# that Debian's -dev packages ship beside the shared ones. Included before the packages are looked
# for.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
set(ZLIB_USE_STATIC_LIBS ON)
set(OPENSSL_USE_STATIC_LIBS ON)
add_link_options(-static -Wl,--gc-sections -s)

# Debian has no archive of fmt; all of it is in its headers, too.
add_library(fmt::fmt INTERFACE IMPORTED)
target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)

# Config packages name the shared library of each target: take the archive that lies beside it.
function(ringside_use_archives)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target ${targets})
    get_target_property(type ${target} TYPE)
    if(NOT type STREQUAL SHARED_LIBRARY)
      continue()
    endif()
    get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
    foreach(configuration ${configurations})
      get_target_property(shared ${target} IMPORTED_LOCATION_${configuration})
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${shared}")
      if(EXISTS "${archive}") # what has none is not linked, or the linker will say so
        set_property(TARGET ${target} PROPERTY IMPORTED_LOCATION_${configuration} "${archive}")
      endif()
    endforeach()
  endforeach()
  target_link_libraries(PkgConfig::LIBBPF INTERFACE elf z) # private to the shared libbpf
endfunction()
