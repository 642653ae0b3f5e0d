# bert::xsimd, whatever the installed version of xsimd calls its own target.
if(NOT TARGET bert::xsimd)
  add_library(bert::xsimd INTERFACE IMPORTED)
  if(TARGET xsimd::xsimd)
    target_link_libraries(bert::xsimd INTERFACE xsimd::xsimd)
  else()
    target_link_libraries(bert::xsimd INTERFACE xsimd)
  endif()
endif()
