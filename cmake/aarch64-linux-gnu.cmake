# aarch64-linux-gnu.cmake -- a toolchain file: programs for AArch64 made on another machine, with
# Debian's g++-aarch64-linux-gnu. Tests run under qemu-user-static where it is installed.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
find_program(SWAGE_QEMU_AARCH64 NAMES qemu-aarch64-static qemu-aarch64)
if(SWAGE_QEMU_AARCH64)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${SWAGE_QEMU_AARCH64})
endif()
