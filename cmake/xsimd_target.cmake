# bert::xsimd: xsimd's include folder, under any name of its target. Not that target itself: Debian 12's links xtl, which has
# no object code and is not installed.
if(NOT TARGET bert::xsimd)
  if(TARGET xsimd::xsimd)
    get_target_property(_bert_xsimd_headers xsimd::xsimd INTERFACE_INCLUDE_DIRECTORIES)
  else()
    get_target_property(_bert_xsimd_headers xsimd INTERFACE_INCLUDE_DIRECTORIES)
  endif()
  add_library(bert::xsimd INTERFACE IMPORTED)
  set_target_properties(bert::xsimd PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_bert_xsimd_headers}")
  unset(_bert_xsimd_headers)
endif()
