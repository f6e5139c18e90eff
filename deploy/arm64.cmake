# SPDX-License-Identifier: Apache-2.0
# Toolchain file: programs for arm64 built on another machine, with libraries and headers from the
# root file system in RINGSIDE_SYSROOT (deploy/static makes it). What runs during the build
# (compilers, generators) is this machine's.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES RINGSIDE_SYSROOT)
set(CMAKE_SYSROOT ${RINGSIDE_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(ENV{PKG_CONFIG_SYSROOT_DIR} ${RINGSIDE_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR}
    ${RINGSIDE_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${RINGSIDE_SYSROOT}/usr/share/pkgconfig)
