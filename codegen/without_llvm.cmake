# without_llvm.cmake -- the files of codegen that the runtime without the compiler holds too: the values
# that a call is described by, and what a launch needs to know of code. None of them includes LLVM or a
# header of the rest; tests/check_includes.cmake holds them to it.
set(codegen_without_llvm arguments cut host_level host_loop kept_values own_stack row_geometry row_plan schedule
  schedule_fetch schedule_parts schedule_rows schedule_rows_ahead schedule_rows_clusters schedule_rows_parts schedule_rows_usual schedule_tiles serves
  specialization specialization_text steps target tile_geometry
  tile_plan toolchain no_compiler)
# Headers that they may include beside their own.
set(codegen_headers_without_llvm calling_convention compile compiler needed_nodes)
