# source_digest.cmake -- writes a header that defines SWAGE_SOURCE_DIGEST, a digest of FILES, to OUTPUT.
# It is part of every cache key: code of a compiler that was changed is not taken for this one's.
set(digests "")
foreach(file IN LISTS FILES)
  file(SHA256 ${file} digest)
  string(APPEND digests ${digest})
endforeach()
string(SHA256 digest "${digests}")
string(SUBSTRING ${digest} 0 12 digest)
file(WRITE ${OUTPUT} "#define SWAGE_SOURCE_DIGEST \"${digest}\"\n")
