# swage_add_kernels.cmake -- kernels compiled when a program is built, and linked into it.
#
#   swage_add_kernels(target
#     FILES kernels.swg ...          # files of kernels, relative to the current source directory
#     [CATALOGUE swiglu ...]         # kernels of the catalogue
#     [ARCHS sm_90 host ...]         # default: host, which is what the program is built for
#     [DEFINITIONS T=f32,bf16 ...]   # types and constants
#     [LAYOUTS "usual; ..."] [MATH triton] [SCHEDULES records.jsonl] [ASSEMBLER auto]
#     [NAME name])                   # default: that of the first file or kernel
#
# adds the kernels to `target`, which includes "NAME.hpp" (C: "NAME.h") and links swage::runtime or swage::swage. They
# are compiled by the `swage` command: SWAGE_COMMAND if set, which who cross compiles must, to a command
# that runs where the program is built; else the one built beside this project, or installed.
function(swage_add_kernels target)
  cmake_parse_arguments(arg "" "NAME;LAYOUTS;MATH;SCHEDULES;ASSEMBLER"
    "FILES;CATALOGUE;ARCHS;DEFINITIONS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "swage_add_kernels does not take '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  set(inputs "")
  foreach(file IN LISTS arg_FILES)
    get_filename_component(file ${file} ABSOLUTE)
    list(APPEND inputs ${file})
  endforeach()
  set(depends ${inputs})
  list(APPEND inputs ${arg_CATALOGUE})
  if(NOT inputs)
    message(FATAL_ERROR "swage_add_kernels(${target}) names no kernels: FILES or CATALOGUE")
  endif()
  if(NOT arg_NAME)
    list(GET inputs 0 first)
    get_filename_component(arg_NAME ${first} NAME_WE)
  endif()

  if(SWAGE_COMMAND)
    set(command ${SWAGE_COMMAND})
    list(APPEND depends ${SWAGE_COMMAND})
  elseif(TARGET swage_cli)
    set(command $<TARGET_FILE:swage_cli>)
    list(APPEND depends swage_cli)
  elseif(TARGET swage::command)
    set(command $<TARGET_FILE:swage::command>)
  else()
    message(FATAL_ERROR "swage_add_kernels needs the 'swage' command: set SWAGE_COMMAND to its path, or "
      "SWAGE_BUILD_CLI to ON before Swage is added")
  endif()

  set(options "")
  # The command's own idea of `host` is where it runs.
  if(CMAKE_CROSSCOMPILING)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
      set(levels aarch64)
    elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
      set(levels x86-64-v2 x86-64-v3 x86-64-v4)
    else()
      message(FATAL_ERROR "swage_add_kernels knows no CPU '${CMAKE_SYSTEM_PROCESSOR}'")
    endif()
    if(NOT arg_ARCHS)
      set(arg_ARCHS host)
    endif()
    list(TRANSFORM arg_ARCHS REPLACE "^host$" "${levels}")
  endif()
  if(arg_ARCHS)
    list(JOIN arg_ARCHS "," archs)
    list(APPEND options --arch ${archs})
  endif()
  foreach(definition IN LISTS arg_DEFINITIONS)
    list(APPEND options -D ${definition})
  endforeach()
  if(arg_SCHEDULES)
    get_filename_component(schedules ${arg_SCHEDULES} ABSOLUTE)
    list(APPEND options --schedules ${schedules})
    list(APPEND depends ${schedules})
  endif()
  foreach(option LAYOUTS MATH ASSEMBLER)
    if(arg_${option})
      string(TOLOWER ${option} name)
      # A list of layouts has semicolons of its own.
      string(REPLACE ";" "$<SEMICOLON>" value "${arg_${option}}")
      list(APPEND options --${name} "${value}")
    endif()
  endforeach()

  set(directory ${CMAKE_CURRENT_BINARY_DIR}/swage_kernels/${target})
  file(MAKE_DIRECTORY ${directory})
  add_custom_command(
    OUTPUT ${directory}/${arg_NAME}.c ${directory}/${arg_NAME}.hpp ${directory}/${arg_NAME}.h
    COMMAND ${command} build ${inputs} ${options} --source -o ${directory}/${arg_NAME}
    DEPENDS ${depends} COMMENT "Compiling the kernels of ${target}" VERBATIM)
  if(NOT CMAKE_C_COMPILE_OBJECT) # this project has no C, though one within it may
    set_source_files_properties(${directory}/${arg_NAME}.c PROPERTIES LANGUAGE CXX)
  endif()
  target_sources(${target} PRIVATE
    ${directory}/${arg_NAME}.c ${directory}/${arg_NAME}.hpp ${directory}/${arg_NAME}.h)
  target_include_directories(${target} PRIVATE ${directory})
endfunction()
