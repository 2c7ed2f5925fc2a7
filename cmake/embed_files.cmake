# embed_files.cmake -- writes FILES as initialisers {"name", R"(text)"} to OUTPUT.
set(content "")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(APPEND content "{\"${name}\", R\"swg(${text})swg\"},\n")
endforeach()
file(WRITE ${OUTPUT} "${content}")
